"""The foreign test set: questions of strangers, what is near to one of them, and what is right.

Each line of the file is a question. Words after `` | `` name what a plainly relevant answer speaks
of. An answer is right if it is a refusal, or if it is one of the corpus's answers and holds one
of these words.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

REFUSAL = "I don't know that"
"""How each refusal of the corpus begins, and no other answer."""

_NOT_A_WORD = re.compile(r"[^\w+*/=-]+")
# Two questions that share more than this are near to each other.
_SHARED_WORDS = 0.65
_SHARED_TRIGRAMS = 0.8
# A shorter question occurs in too many others by chance.
_SHORTEST_INSIDE = 3


def normal_form(question: str) -> str:
    """Reduce a question to what makes it the same question: no case, no punctuation.

    A question without any word, such as an emoji, stays as it is.
    """
    return " ".join(_NOT_A_WORD.sub(" ", question.casefold()).split()) or question


@dataclass(frozen=True)
class ForeignQuestion:
    """A question of the test set, and the words that a relevant answer may hold."""

    text: str
    on_topic: tuple[str, ...]

    def is_answered_by(self, answer: str, known: Collection[str]) -> bool:
        """Whether the answer is right; ``known`` are the corpus's answers."""
        if answer not in known:
            return False
        return answer.startswith(REFUSAL) or any(
            re.search(rf"(?<!\w){re.escape(word)}(?!\w)", answer, re.IGNORECASE)
            for word in self.on_topic
        )

    @cached_property
    def form(self) -> Form:
        """What is compared of it."""
        return Form(normal_form(self.text))


class Form:
    """What is compared of a question in its normal form."""

    def __init__(self, text: str) -> None:
        self.squeezed = text.replace(" ", "")
        self.words = frozenset(text.split())
        self.trigrams = frozenset(
            self.squeezed[at : at + 3] for at in range(len(self.squeezed) - 2)
        )

    def is_near(self, other: Form) -> bool:
        """Whether the other is this one, holds it, or differs from it in little."""
        if self.squeezed == other.squeezed:
            return True
        if len(self.squeezed) >= _SHORTEST_INSIDE and self.squeezed in other.squeezed:
            return True
        return (
            _shared(self.words, other.words) >= _SHARED_WORDS
            or _shared(self.trigrams, other.trigrams) >= _SHARED_TRIGRAMS
        )


def nearest(asked: str, questions: Iterable[ForeignQuestion]) -> ForeignQuestion | None:
    """Return the first of the questions that is near to what is asked, if there is one."""
    form = Form(normal_form(asked))
    return next((question for question in questions if question.form.is_near(form)), None)


def _shared(one: frozenset[str], other: frozenset[str]) -> float:
    """The share of what either holds that both hold (Jaccard's index)."""
    both = len(one & other)
    return both / (len(one) + len(other) - both) if both else 0.0


def load_foreign(path: Path) -> tuple[ForeignQuestion, ...]:
    """Read the test set; lines in brackets and lines that begin with ``#`` are headings."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = []
    for line in lines:
        if line and not line.startswith(("#", "[")):
            text, _, words = line.partition(" | ")
            listed = tuple(word.strip() for word in words.split(",") if word.strip())
            found.append(ForeignQuestion(text.strip(), listed))
    return tuple(found)
