"""What the model gets to read: the conversation before a turn, then the turn."""

from collections.abc import Sequence
from typing import Final

from aistratus_contracts.job import Message
from aistratus_contracts.states import Role
from aistratus_contracts.table import Turn

# More text than this fits no model's context; what is older is not sent to the engine.
MAX_HISTORY_BYTES: Final = 4 * 1024 * 1024


def messages_for(turns: Sequence[Turn]) -> tuple[tuple[Message, ...], int]:
    """The messages to answer, and how many turns were left off at the front.

    The last of `turns` is the one to answer. A question that never got any answer is left out:
    the roles must take turns, and its reader knows that it failed.
    """
    *earlier, current = turns
    kept = list(current.messages)
    size = _size(kept)
    left_out = 0
    for turn in reversed(earlier):
        said = _with_answer(turn)
        size += _size(said)
        if size > MAX_HISTORY_BYTES:
            left_out += bool(said)
            said = [item for item in said if item.role is Role.SYSTEM]
        kept = said + kept
    return tuple(kept), left_out


def _with_answer(turn: Turn) -> list[Message]:
    if turn.answer is not None and turn.answer.text:
        return [*turn.messages, Message(Role.ASSISTANT, turn.answer.text)]
    return list(turn.messages[:-1])


def _size(messages: Sequence[Message]) -> int:
    return sum(len(item.content.encode()) for item in messages)
