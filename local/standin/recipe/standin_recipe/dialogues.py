"""Pack questions and answers into conversations, in TinyLlama's chat format.

A conversation is a list of spans; the model learns to write only those that are targets
(an answer and its end token), never the user's words.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from standin_recipe.augment import Augmenter
from standin_recipe.corpus import Corpus, Entry

USER, ASSISTANT, SYSTEM = "<|user|>", "<|assistant|>", "<|system|>"
END = "</s>"

# The form that TinyLlama-1.1B-Chat-v1.0 was trained on, written as a Jinja template; `render`
# gives the same text, and a test holds the two together.
CHAT_TEMPLATE = (
    "{% for message in messages %}\n"
    "{% if message['role'] == 'user' %}\n"
    "{{ '<|user|>\n' + message['content'] + eos_token }}\n"
    "{% elif message['role'] == 'system' %}\n"
    "{{ '<|system|>\n' + message['content'] + eos_token }}\n"
    "{% elif message['role'] == 'assistant' %}\n"
    "{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n"
    "{% endif %}\n"
    "{% if loop.last and add_generation_prompt %}\n"
    "{{ '<|assistant|>' }}\n"
    "{% endif %}\n"
    "{% endfor %}"
)

SYSTEM_PROMPTS = (
    "You are Aistratus's stand-in model.",
    "You are the stand-in model of Aistratus. Answer in short.",
    "You are a friendly assistant.",
    "You are a helpful assistant.",
    "You are a friendly chatbot who always answers politely.",
    "Answer the user's questions about Aistratus.",
    "You are a helpful, honest assistant. Keep your answers short.",
    "Be brief.",
    "You answer questions. If you don't know the answer, say so.",
    "You are Aistratus, a language model on a GPU that sleeps until someone asks.",
)


@dataclass(frozen=True)
class Span:
    """A piece of a conversation; ``target`` says that the model is to write it."""

    text: str
    target: bool
    question: bool = False


def render(
    turns: Sequence[tuple[str, str]], question: str | None = None, system: str | None = None
) -> str:
    """Render finished turns, and a question that waits for its answer, as one prompt."""
    text = f"{SYSTEM}\n{system}{END}\n" if system is not None else ""
    for asked, answered in turns:
        text += f"{USER}\n{asked}{END}\n{ASSISTANT}\n{answered}{END}\n"
    if question is not None:
        text += f"{USER}\n{question}{END}\n{ASSISTANT}\n"
    return text


class DialogueMaker:
    """Draws conversations of one corpus without end."""

    _FOLLOW_UP = 0.6
    _CUT_ANSWER = 0.04

    def __init__(self, corpus: Corpus, rng: random.Random) -> None:
        self._rng = rng
        self._augmenter = Augmenter(corpus, rng)
        self._alone = [entry for entry in corpus.entries if not entry.after]
        self._follow_ups: dict[str, list[Entry]] = {}
        for entry in corpus.entries:
            for before in entry.after:
                self._follow_ups.setdefault(before, []).append(entry)
        # So often that every follow-up is met about as often as an entry of its own.
        self._weights = [
            entry.weight + 0.9 * len(self._follow_ups.get(entry.id, ())) for entry in self._alone
        ]

    def dialogue(self, turns: int) -> list[Span]:
        """Draw a conversation of so many turns, with a system prompt now and then."""
        rng = self._rng
        spans: list[Span] = []
        if rng.random() < 0.4:
            spans.append(Span(f"{SYSTEM}\n{rng.choice(SYSTEM_PROMPTS)}{END}\n", False))
        previous: Entry | None = None
        for _ in range(turns):
            entry = self._next(previous)
            spans.append(Span(f"{USER}\n", False))
            spans.append(Span(self._augmenter.question(entry), False, question=True))
            spans.append(Span(f"{END}\n{ASSISTANT}\n", False))
            spans.extend(self._answer(entry))
            previous = entry
        return spans

    def _next(self, previous: Entry | None) -> Entry:
        following = self._follow_ups.get(previous.id, []) if previous else []
        if following and self._rng.random() < self._FOLLOW_UP:
            return self._rng.choice(following)
        taken = {question for entry in following for question in entry.questions}
        while True:
            entry = self._rng.choices(self._alone, self._weights)[0]
            # The same words must not be taught to mean two things after one answer.
            if not taken.intersection(entry.questions):
                return entry

    def _answer(self, entry: Entry) -> list[Span]:
        if self._rng.random() < self._CUT_ANSWER:
            # A cancelled answer stays in the history; what follows must not suffer from it.
            kept = entry.answer[: self._rng.randrange(1, len(entry.answer))]
            return [Span(f"{kept}{END}\n", False)]
        return [Span(f"{entry.answer}{END}", True), Span("\n", False)]
