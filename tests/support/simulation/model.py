"""The simulated model's answers: one letter per token, always the same for the same messages."""

import hashlib
from collections.abc import Sequence
from typing import Final

from aistratus_contracts.job import Message

SHORTEST_ANSWER: Final = 2
LONGEST_ANSWER: Final = 60
_POISON: Final = "poison"


def poison(fatal_token: int, more: str) -> str:
    """A prompt that kills every engine that computes that token of its answer."""
    return f"{_POISON} {fatal_token} {more}"


def fatal_token(messages: Sequence[Message]) -> int | None:
    """The token that kills an engine; None for an innocent prompt."""
    words = messages[-1].content.split()
    return int(words[1]) if words[0] == _POISON else None


def answer_to(messages: Sequence[Message]) -> str:
    """The whole answer."""
    said = "\n".join(f"{message.role}: {message.content}" for message in messages)
    digest = hashlib.sha256(said.encode()).digest()
    length = SHORTEST_ANSWER + digest[0] % (LONGEST_ANSWER - SHORTEST_ANSWER)
    fatal = fatal_token(messages)
    if fatal is not None:
        length += fatal + 1
    return "".join(chr(ord("a") + digest[n % 31 + 1] * (n + 1) % 26) for n in range(length))


def has_notice(messages: Sequence[Message]) -> bool:
    """Whether the engine sends a notice about this prompt besides its answer."""
    return len(answer_to(messages)) % 5 == 0


def token_of(letter: str) -> int:
    """A letter's token id."""
    return ord(letter) - ord("a")
