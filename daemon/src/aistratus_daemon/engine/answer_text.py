"""From tokens to text that never has to be taken back.

A token may hold half a character, and the text so far may be the beginning of a stop string. So
tokens wait here until their text is certain to be shown, and leave as whole tokens: a committed
token's text is complete, so an answer can be resumed from its tokens.
"""

import codecs
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from aistratus_daemon.engine.stop_string import StopString


class _Token(NamedTuple):
    """A waiting token. `end` is the text's length with it; a whole one cuts no character."""

    id: int
    text: str
    end: int
    is_whole: bool


@dataclass(slots=True)
class AnswerText:
    """The undecided end of one answer. A token's cost does not grow with the tokens that wait."""

    stop: tuple[str, ...] = ()
    _stops: list[StopString] = field(init=False)
    _stop_at: int | None = None
    _length: int = 0
    # Tokens whose text could belong to the beginning of a stop string.
    _held: deque[_Token] = field(default_factory=deque)
    # Tokens that are certain, but for the half character that they end in.
    _halved: list[_Token] = field(default_factory=list)
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )

    def __post_init__(self) -> None:
        self._stops = [StopString(text) for text in self.stop]

    @property
    def stopped(self) -> bool:
        """Whether a stop string has come."""
        return self._stop_at is not None

    def add(self, token_id: int, piece: bytes) -> tuple[tuple[int, ...], str]:
        """`push` and `take` in one; most tokens are certain as soon as they come."""
        if not (self.stop or self._held or self._halved):
            try:
                return (token_id,), piece.decode()
            except UnicodeDecodeError:
                pass  # half a character, or none at all
        self.push(token_id, piece)
        return self.take()

    def push(self, token_id: int, piece: bytes) -> None:
        """Add a generated token; `piece` is its text in UTF-8, perhaps cut inside a character."""
        text, begin = self._decoder.decode(piece), self._length
        self._length += len(text)
        is_whole = not self._decoder.getstate()[0]
        self._held.append(_Token(token_id, text, self._length, is_whole))
        found = [begin + at for stop in self._stops if (at := stop.read(text)) is not None]
        if found:
            self._stop_at = min(found)

    def take(self) -> tuple[tuple[int, ...], str]:
        """What has become certain since the last call: token ids and their text."""
        if self.stopped:
            return self.finish()
        certain = self._length - max((stop.matched for stop in self._stops), default=0)
        leaving: list[_Token] = []
        while self._held and self._held[0].end <= certain:
            self._halved.append(self._held.popleft())
            if self._halved[-1].is_whole:
                leaving += self._halved
                self._halved.clear()
        return tuple(token.id for token in leaving), "".join(token.text for token in leaving)

    def finish(self) -> tuple[tuple[int, ...], str]:
        """All that is left, at the end of the answer; half a character is not shown."""
        left = [*self._halved, *self._held]
        self._halved.clear()
        self._held.clear()
        text = "".join(token.text for token in left)
        if self._stop_at is not None:
            text = text[: max(0, self._stop_at - (self._length - len(text)))]
        return tuple(token.id for token in left), text
