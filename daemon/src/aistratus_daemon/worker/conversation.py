"""What the model reads: the conversation before a turn, then the turn.

A conversation is read from its end, and only as far as a model can use it: it may be much larger
than this process's memory.
"""

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
from typing import Final

from aistratus_contracts.codec import text_bytes
from aistratus_contracts.job import Message
from aistratus_contracts.states import JobState, Role
from aistratus_contracts.table import Turn

# Encoded. No model's context holds more text than this; older turns are not sent to the engine.
MAX_HISTORY_BYTES: Final = 4 * 1024 * 1024
# Encoded. A context's text takes about 4 bytes a token, and hardly ever this many.
HISTORY_BYTES_PER_TOKEN: Final = 32
# Encoded. Reading skips turns that say nothing (cancelled, failed), but goes no further than this.
MAX_READ_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Due:
    """The turn to answer next, and the earlier turns that were kept, in order.

    `left_out` counts the turns before those.
    """

    turn: Turn
    earlier: list[Turn]
    left_out: int


def history_bytes(context: int) -> int:
    """How much of a conversation a context of that many tokens can use, in encoded bytes."""
    return min(MAX_HISTORY_BYTES, context * HISTORY_BYTES_PER_TOKEN)


def next_due(
    backwards: Iterable[Turn], room: int, orphans: Set[int] = frozenset(), ended_up_to: int = 0
) -> Due | None:
    """The first turn without an answer, from a conversation's turns read backwards.

    `room` is how many bytes its history may take. `orphans` are turns whose job is gone: nobody
    will ever answer them. All turns up to number `ended_up_to` are known to have ended.

    A turn begins only after all earlier ones have ended. So a worker's answer shows that no earlier
    turn is open, and from there back only what the model needs is read.
    """
    due: Turn | None = None
    earlier = _Earlier(room)
    all_ended = False
    for turn in backwards:
        all_ended |= turn.turn <= ended_up_to
        if turn.answer is None and turn.turn not in orphans and not all_ended:
            due, earlier = turn, _Earlier(room)
            continue
        all_ended |= turn.answer is not None and (
            turn.answer.state is JobState.SUCCEEDED or bool(turn.answer.text)
        )
        if due is not None:
            earlier.add(turn)
        if all_ended and (due is None or earlier.is_enough):
            break
    if due is None:
        return None
    return Due(due, earlier.turns[::-1], earlier.left_out(due))


@dataclass
class _Earlier:
    """The turns before the due one, latest first, as far as there is room."""

    room: int
    turns: list[Turn] = field(default_factory=list)
    is_full: bool = False
    _read: int = 0
    _last: int = 0

    def add(self, turn: Turn) -> None:
        """Take the next turn back; keep it if it says something and fits."""
        messages = (*turn.messages, *_answer_of(turn))
        self._read += sum(_sizes(messages))
        said = sum(_sizes(_said(turn)))
        self.room -= said
        self.is_full = self.is_full or self.room < 0
        if not self.is_full:
            self._last = turn.turn
            if said:
                self.turns.append(turn)

    @property
    def is_enough(self) -> bool:
        """Whether no older turn would be kept or is worth reading."""
        return self.is_full or self._read > MAX_READ_BYTES

    def left_out(self, due: Turn) -> int:
        """How many turns lie before those kept, or skipped for saying nothing."""
        return (self._last or due.turn) - 1


def messages_for(due: Due, opening: Turn | None = None) -> tuple[Message, ...]:
    """The messages to answer.

    `opening` is the conversation's first turn, if it was left out: its system message stays. A
    question that never got an answer is left out: the roles must alternate, and its reader knows
    that it failed.
    """
    system = () if opening is None else opening.messages
    return (
        *(item for item in system if item.role is Role.SYSTEM),
        *(item for turn in due.earlier for item in _said(turn)),
        *due.turn.messages,
    )


def _said(turn: Turn) -> tuple[Message, ...]:
    return (*turn.messages, *_answer_of(turn)) if _answer_of(turn) else turn.messages[:-1]


def _answer_of(turn: Turn) -> tuple[Message, ...]:
    if turn.answer is None or not turn.answer.text:
        return ()
    return (Message(Role.ASSISTANT, turn.answer.text),)


def _sizes(messages: Iterable[Message]) -> Iterator[int]:
    return (text_bytes(item.content) for item in messages)
