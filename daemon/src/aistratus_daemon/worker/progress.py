"""How far an answer has come."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from aistratus_contracts.event import Delta, Event, EventBody, Notice
from aistratus_daemon.frames import NewTokens


@dataclass
class Progress:
    """How far an answer has come: what is committed, and what waits for its commit."""

    text: str = ""
    token_ids: list[int] = field(default_factory=list)
    has_notice: bool = False
    new_text: str = ""
    new_ids: list[int] = field(default_factory=list)

    @property
    def reached(self) -> int:
        """How many tokens the answer has, committed or not."""
        return len(self.token_ids) + len(self.new_ids)

    @classmethod
    def from_events(cls, events: Sequence[Event]) -> "Progress":
        """What earlier attempts have committed."""
        progress = cls()
        for event in events:
            if isinstance(event.body, Delta):
                progress.text += event.body.text
                progress.token_ids += event.body.token_ids
            elif isinstance(event.body, Notice):
                progress.has_notice = True
        return progress

    def add(self, tokens: NewTokens) -> None:
        """Tokens that are not committed yet."""
        self.new_text += tokens.text
        self.new_ids += tokens.token_ids

    def pending(self) -> list[EventBody]:
        """The event that commits what is new, if anything is."""
        if not self.new_ids and not self.new_text:
            return []
        return [Delta(self.new_text, tuple(self.new_ids))]

    def commit(self) -> None:
        """What was new is in the table now."""
        self.text += self.new_text
        self.token_ids += self.new_ids
        self.discard()

    def discard(self) -> None:
        """What was new was not written, and will not be."""
        self.new_text, self.new_ids = "", []
