"""From a conversation to the prompt's tokens, leaving out the oldest turns if necessary."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from aistratus_contracts.errors import JobErrorCode, NoticeCode
from aistratus_contracts.event import Notice
from aistratus_contracts.job import Message
from aistratus_contracts.states import Role
from aistratus_daemon.engine.marks import Marks
from aistratus_daemon.errors import RequestRefused

# How many turns are left out together, so that for the next few turns the prompt's beginning stays
# the same, and so does what is computed of it.
TURNS_PER_BLOCK: Final = 4


@dataclass(frozen=True, slots=True)
class Prompt:
    """The tokens to prefill, and what the reader should know about turns left out."""

    tokens: list[int]
    notice: Notice | None


def fit(
    messages: Sequence[Message],
    *,
    context: int,
    max_tokens: int,
    left_out: int,
    tokenize: Callable[[Sequence[Message]], list[int]],
    count: Callable[[str], int],
) -> Prompt:
    """The longest end of the conversation that leaves room for `max_tokens` in `context`.

    The system message always stays, and so does the last turn: if that alone leaves less room,
    the answer will be shorter; if it leaves none, this raises `RequestRefused`. The caller has
    already left out `left_out` turns. `count` says how many tokens a text has.

    Turns are left out in blocks, if at least half the context stays in use.
    """
    messages, dropped = _recent(messages, context, count)
    left_out += dropped
    tokens = tokenize(messages)
    while len(tokens) + max_tokens > context:
        shorter = _without_oldest_turns(messages)
        if shorter is None:
            break
        messages, left_out = shorter, left_out + 1
        tokens = tokenize(messages)
    more = -left_out % TURNS_PER_BLOCK
    if more and (shorter := _without_oldest_turns(messages, more)) is not None:
        fewer = tokenize(shorter)
        if len(fewer) + max_tokens >= context // 2:
            tokens, left_out = fewer, left_out + more
    if len(tokens) >= context:
        raise RequestRefused(
            JobErrorCode.PROMPT_TOO_LONG,
            f"This message takes {len(tokens)} tokens, and the model reads at most "
            f"{context - 1}; shorten it.",
        )
    return Prompt(tokens, _notice(left_out, context) if left_out else None)


def _recent(
    messages: Sequence[Message], context: int, count: Callable[[str], int]
) -> tuple[Sequence[Message], int]:
    """The messages without the turns too far back to fit, and how many turns those are.

    A long history is counted from its end, once, before anything is tokenized as a whole.
    """
    starts = _turn_starts(messages)
    if sum(len(item.content) for item in messages) <= context or len(starts) == 1:
        return messages, 0
    tokens = 0
    for index in range(len(messages) - 1, starts[0] - 1, -1):
        tokens += count(messages[index].content)
        if tokens > context:
            kept = next((start for start in starts if start > index), starts[-1])
            return [*messages[: starts[0]], *messages[kept:]], starts.index(kept)
    return messages, 0


def disarm(messages: Sequence[Message], marks: Marks) -> list[Message]:
    """The messages with no mark spelt out in them.

    Prompts are tokenized with control tokens parsed, since the template writes some; what a
    person writes must stay text, or a message could pretend to end itself.
    """
    return [replace(item, content=marks.disarm(item.content)) for item in messages]


def _without_oldest_turns(messages: Sequence[Message], turns: int = 1) -> list[Message] | None:
    """The messages without the first questions and answers; None if no turn would be left."""
    starts = _turn_starts(messages)
    return [*messages[: starts[0]], *messages[starts[turns] :]] if len(starts) > turns else None


def _turn_starts(messages: Sequence[Message]) -> list[int]:
    """Where turns begin: at the first message after a system message, then at each user's."""
    first = int(messages[0].role is Role.SYSTEM)
    later = range(first + 1, len(messages))
    return [first, *(index for index in later if messages[index].role is Role.USER)]


def _notice(left_out: int, context: int) -> Notice:
    turns = "The oldest turn was" if left_out == 1 else f"The {left_out} oldest turns were"
    return Notice(
        NoticeCode.TURNS_LEFT_OUT,
        f"{turns} left out, so that the conversation fits the model's context of {context} tokens.",
    )
