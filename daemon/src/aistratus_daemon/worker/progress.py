"""How far an answer has come."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from aistratus_contracts.codec import text_bytes
from aistratus_contracts.event import Delta, Event, EventBody, Notice
from aistratus_contracts.limits import MAX_ANSWER_BYTES, MAX_DELTA_BYTES
from aistratus_daemon.frames import NewTokens


@dataclass
class AnswerProgress:
    """How far an answer has come: what is committed, and what waits for its commit.

    Together they never exceed an answer's limit: tokens that would exceed it are not taken in, nor
    is anything after them.
    """

    text: str = ""
    token_ids: list[int] = field(default_factory=list)
    has_notice: bool = False
    is_full: bool = False
    _new: list[Delta] = field(default_factory=list)
    _bytes: int = 0

    @property
    def reached(self) -> int:
        """How many tokens the answer has, committed or not."""
        return len(self.token_ids) + sum(len(delta.token_ids) for delta in self._new)

    @property
    def whole_text(self) -> str:
        """The answer's text, committed or not."""
        return self.text + "".join(delta.text for delta in self._new)

    @classmethod
    def from_events(cls, events: Sequence[Event]) -> "AnswerProgress":
        """What earlier attempts have committed."""
        progress = cls()
        deltas = [event.body for event in events if isinstance(event.body, Delta)]
        progress.text = "".join(delta.text for delta in deltas)
        progress.token_ids = [token for delta in deltas for token in delta.token_ids]
        progress.has_notice = any(isinstance(event.body, Notice) for event in events)
        progress._bytes = text_bytes(progress.text)
        progress.is_full = progress._bytes > MAX_ANSWER_BYTES
        return progress

    def add(self, tokens: NewTokens) -> None:
        """Add tokens that are not committed yet; set `is_full` if there is no room for them."""
        size = text_bytes(tokens.text)
        self.is_full = self.is_full or self._bytes + size > MAX_ANSWER_BYTES
        if not self.is_full:
            self._bytes += size
            self._new.append(Delta(tokens.text, tokens.token_ids))

    def pending(self) -> list[EventBody]:
        """The events that commit what is new: a single one, if it fits."""
        events: list[EventBody] = []
        group: list[Delta] = []
        size = 0
        for delta in self._new:
            more = text_bytes(delta.text) + _bytes_of_ids(delta.token_ids)
            if group and size + more > MAX_DELTA_BYTES:
                events.append(_together(group))
                group, size = [], 0
            group.append(delta)
            size += more
        if any(delta.text or delta.token_ids for delta in group):
            events.append(_together(group))
        return events

    def commit(self) -> None:
        """Note that what was new is in the table now."""
        self.text = self.whole_text
        self.token_ids += [token for delta in self._new for token in delta.token_ids]
        self._new = []

    def discard(self) -> None:
        """Drop what is new: it will not be written."""
        self._new = []


def _together(deltas: Sequence[Delta]) -> Delta:
    return Delta(
        "".join(delta.text for delta in deltas),
        tuple(token for delta in deltas for token in delta.token_ids),
    )


def _bytes_of_ids(ids: Sequence[int]) -> int:
    return sum(len(str(token)) + len(",") for token in ids)
