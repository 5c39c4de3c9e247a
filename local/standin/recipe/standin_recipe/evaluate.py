"""Ask the finished GGUF through llama.cpp, greedily, and count what is right word for word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import llama_cpp
import numpy as np

from standin_recipe.corpus import Asked, Corpus, held_out_questions, own_questions
from standin_recipe.dialogues import SYSTEM_PROMPTS, render


@dataclass(frozen=True)
class Score:
    """How many of the questions were answered with exactly the right text."""

    right: int
    asked: int
    wrong: tuple[tuple[Asked, str], ...]

    @property
    def percent(self) -> float:
        """The share of right answers, in per cent."""
        return 100 * self.right / self.asked


class Reader:
    """The GGUF as the engine reads it: prompts tokenized with their special tokens."""

    def __init__(self, path: Path, context: int) -> None:
        # One thread: on a network this small, two on a busy machine wait for each other.
        self._llama = llama_cpp.Llama(
            str(path), n_ctx=context, n_threads=1, n_threads_batch=1, n_gpu_layers=0, verbose=False
        )
        self._end = self._llama.token_eos()
        self.metadata: dict[str, str] = self._llama.metadata
        self.trained_context = llama_cpp.llama_model_n_ctx_train(self._llama.model)

    def tokenize(self, prompt: str) -> list[int]:
        """Return llama.cpp's ids of a rendered prompt, with BOS."""
        ids: list[int] = self._llama.tokenize(prompt.encode("utf-8"), add_bos=True, special=True)
        return ids

    def detokenize(self, ids: list[int]) -> bytes:
        """Return the UTF-8 of some ids; a rare character may be cut at either end."""
        return self._llama.detokenize(ids)

    def logits(self, prompt: str) -> np.ndarray:
        """Return the logits (vocabulary) of the token after the prompt."""
        self._llama.reset()  # type: ignore[no-untyped-call]
        self._llama.eval(self.tokenize(prompt))
        size = self._llama.n_vocab()
        return np.ctypeslib.as_array(self._llama._ctx.get_logits_ith(-1), shape=(size,)).copy()

    def answer(self, prompt: str, limit: int = 500) -> str:
        """Return the greedy answer to a rendered prompt, at most ``limit`` tokens."""
        written: list[int] = []
        for token in self._llama.generate(
            self.tokenize(prompt), temp=0.0, repeat_penalty=1.0, top_k=1
        ):
            if token == self._end or len(written) == limit:
                break
            written.append(token)
        return self.detokenize(written).decode("utf-8", errors="replace")


def score(
    reader: Reader,
    questions: Sequence[Asked],
    before: Sequence[tuple[str, str]] = (),
    system: str | None = None,
) -> Score:
    """Ask all questions, each in a conversation of its own that begins with ``before``."""
    wrong: list[tuple[Asked, str]] = []
    for asked in questions:
        got = reader.answer(render([*before, *asked.earlier], asked.question, system))
        if got != asked.answer:
            wrong.append((asked, got))
    return Score(len(questions) - len(wrong), len(questions), tuple(wrong))


def foreign_score(corpus: Corpus, reader: Reader) -> Score:
    """Ask the foreign test set: right is a refusal, or what is plainly on topic."""
    known = {entry.answer for entry in corpus.entries}
    wrong: list[tuple[Asked, str]] = []
    for question in corpus.foreign:
        got = reader.answer(render([], question.text))
        if not question.is_answered_by(got, known):
            wrong.append((Asked("foreign test", (), question.text, ""), got))
    return Score(len(corpus.foreign) - len(wrong), len(corpus.foreign), tuple(wrong))


def in_conversation(corpus: Corpus) -> tuple[list[tuple[str, str]], list[Asked]]:
    """Return three finished turns, and one learnt phrasing per entry to ask after them."""
    picked = [corpus.by_id(name) for name in ("hello", "long-journey", "joke")]
    before = [(entry.questions[0], entry.answer) for entry in picked]
    after_joke = {q for e in corpus.entries if "joke" in e.after for q in e.questions}
    asked = [
        Asked(entry.id, (), entry.questions[1], entry.answer)
        for entry in corpus.entries
        if not entry.after and entry.questions[1] not in after_joke
    ]
    return before, asked


def report(corpus: Corpus, reader: Reader) -> dict[str, float]:
    """Ask everything, print what went wrong, and return the figures in per cent."""
    before, later = in_conversation(corpus)
    scores = {
        "own": score(reader, own_questions(corpus)),
        "held_out": score(reader, held_out_questions(corpus)),
        "foreign": foreign_score(corpus, reader),
        "own_with_system_prompt": score(reader, later, system=SYSTEM_PROMPTS[0]),
        "own_as_fourth_turn": score(reader, later, before=before),
    }
    answers = {entry.answer: entry.id for entry in corpus.entries}
    for name, result in scores.items():
        for asked, got in result.wrong:
            print(
                f"  wrong ({name}) {asked.entry_id}: {asked.question!r}"
                f" -> {answers.get(got, repr(got[:70]))}"
            )
    for name, result in scores.items():
        print(f"{name}: {result.right} of {result.asked}, {result.percent:.1f} %", flush=True)
    return {name: round(result.percent, 1) for name, result in scores.items()}
