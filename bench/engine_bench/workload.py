"""Jobs and outcomes, the same for every contender.

Every job is a conversation of its own with a text never asked before, so that no contender profits
from earlier computing, unless that is what is measured.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from aistratus_local.choices import STANDIN
from engine_bench import shape
from engine_bench.errors import BenchError
from engine_bench.models import BenchModel

PROMPT_TOKENS: Final = 64
ANSWER_TOKENS: Final = 128
# Questions that the stand-in answers at length.
_LONG_QUESTIONS: Final = Path(__file__).parents[2] / "local" / "standin" / "corpus" / "70-long.qa"

Turn = tuple[str, str]  # role, text


@dataclass(frozen=True, slots=True)
class Job:
    """One question. `turns` are the conversation so far, the last one the user's.

    `prompt_tokens` is what the whole prompt must come to, 0 if that is not known beforehand.
    `may_reuse` allows the conversation's computed context to be reused.
    """

    job_id: str
    conversation: str
    turns: tuple[Turn, ...]
    prompt_tokens: int
    max_tokens: int
    delay_seconds: float = 0.0
    may_reuse: bool = True

    def after(self, seconds: float) -> "Job":
        """The same job, asked that much later than the others."""
        return replace(self, delay_seconds=seconds)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One answer. Times are seconds of the machine's monotonic clock, one for all processes.

    `first` is when the first token came, None if that cannot be seen.
    """

    asked: float
    first: float | None
    ended: float
    prompt_tokens: int
    tokens: int
    text: str = ""

    @property
    def first_seconds(self) -> float:
        """From the request to the first token."""
        if self.first is None:
            raise BenchError("This contender does not show its first token.")
        return self.first - self.asked


_numbers: Final[Iterator[int]] = itertools.count(1)
_questions: Final[list[str]] = []


def new_jobs(
    model: BenchModel,
    count: int,
    *,
    prompt_tokens: int = PROMPT_TOKENS,
    max_tokens: int = ANSWER_TOKENS,
) -> list[Job]:
    """New conversations, `count` of them.

    The stand-in's questions have fixed lengths, and its answers may be shorter than `max_tokens`.
    """
    if model.name == STANDIN:
        return [_job((("user", _next_question()),), 0, max_tokens) for _ in range(count)]
    return [
        _job((("user", _text(prompt_tokens)),), prompt_tokens, max_tokens) for _ in range(count)
    ]


def next_turn(job: Job, answer: str, *, question_tokens: int, max_tokens: int) -> Job:
    """The conversation's next turn, a question of that many tokens (shape model)."""
    question = shape.text_of(question_tokens, next(_numbers))
    turns = (*job.turns, ("assistant", answer), ("user", question))
    return replace(_job(turns, tokens_of(turns), max_tokens), conversation=job.conversation)


def elsewhere(job: Job) -> Job:
    """The same prompt in another conversation: nothing of it may be computed already."""
    return replace(_job(job.turns, job.prompt_tokens, job.max_tokens), may_reuse=False)


def tokens_of(turns: Sequence[Turn]) -> int:
    """A prompt's tokens in the shape model."""
    texts = sum(len(text) + shape.MESSAGE_TOKENS for _, text in turns)
    return shape.PROMPT_TOKENS + texts


def check(jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> None:
    """Refuse to compare unequal work; raises `BenchError`."""
    for job, outcome in zip(jobs, outcomes, strict=True):
        if not job.prompt_tokens:
            continue
        expected = (job.prompt_tokens, job.max_tokens)
        if (outcome.prompt_tokens, outcome.tokens) != expected:
            raise BenchError(
                f"A prompt and its answer came to {outcome.prompt_tokens} and {outcome.tokens} "
                f"tokens, not to {expected[0]} and {expected[1]}."
            )


def _text(prompt_tokens: int) -> str:
    content = prompt_tokens - shape.PROMPT_TOKENS - shape.MESSAGE_TOKENS
    return shape.text_of(content, next(_numbers))


def _next_question() -> str:
    """The next of the corpus's questions that have long answers, over and over."""
    if not _questions:
        lines = _LONG_QUESTIONS.read_text(encoding="utf-8").splitlines()
        _questions.extend(line.removeprefix("Q: ") for line in lines if line.startswith("Q: "))
    return _questions[next(_numbers) % len(_questions)]


def _job(turns: tuple[Turn, ...], prompt_tokens: int, max_tokens: int) -> Job:
    number = next(_numbers)
    return Job(f"job-{number}", f"conversation-{number}", turns, prompt_tokens, max_tokens)
