"""What callers may say. Unknown fields are refused, types are not guessed.

`null` for an optional field means that it is not given.
"""

import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, WithJsonSchema

from aistratus_contracts.job import CONVERSATION_ID_PATTERN, REQUEST_ID_PATTERN
from aistratus_contracts.limits import (
    MAX_CONVERSATIONS_PER_PAGE,
    MAX_EVENT_WAIT_SECONDS,
    MAX_IDLE_TIMEOUT_SECONDS,
    MAX_LOGIT_BIAS,
    MAX_LOGIT_BIASES,
    MAX_MESSAGES,
    MAX_STOP_CHARS,
    MAX_STOP_STRINGS,
    MIN_IDLE_TIMEOUT_SECONDS,
)
from aistratus_contracts.problem import FieldError
from aistratus_contracts.states import Role
from aistratus_router.wire.formats import AnyFormat
from aistratus_router.wire.sampling_fields import with_sampling_numbers
from aistratus_router.wire.strict import Digits, Strict, Whole

DEFAULT_CONVERSATIONS_PER_PAGE: Final = 20
# A sort key holds ten digits of a sequence number, six of a turn's.
MAX_SEQ: Final = 10**10 - 1
MAX_TURN: Final = 10**6 - 1
# A token is a signed 32-bit integer in llama.cpp; the pattern counts up to the largest.
MAX_TOKEN_ID: Final = 2**31 - 1
BIASED_ID_PATTERN: Final = (
    "^(0|[1-9][0-9]{0,8}|1[0-9]{9}|20[0-9]{8}|21[0-3][0-9]{7}|214[0-6][0-9]{6}|2147[0-3][0-9]{5}"
    "|21474[0-7][0-9]{4}|214748[0-2][0-9]{3}|2147483[0-5][0-9]{2}|21474836[0-3][0-9]"
    "|214748364[0-7])$"
)
# When a conversation was last used, and which it is: the keys of the list's index.
CURSOR_PATTERN: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z\.conv-[a-z2-7]{24}$"
)


def _token_id(value: Any) -> Any:
    """A token id out of its one way of being written; raises ValueError for any other."""
    if not isinstance(value, str) or re.fullmatch(BIASED_ID_PATTERN, value) is None:
        raise ValueError(f"A token id is a whole number from 0 to {MAX_TOKEN_ID}, in digits.")
    return int(value)


TokenId = Annotated[
    int,
    BeforeValidator(_token_id),
    WithJsonSchema({"type": "string", "pattern": BIASED_ID_PATTERN}),
]
Bias = Annotated[float, Field(ge=-MAX_LOGIT_BIAS, le=MAX_LOGIT_BIAS)]


class MessageIn(Strict):
    """One message."""

    role: Annotated[Role, Field(strict=False)]
    content: Annotated[str, Field(min_length=1, description="The message's text.")]


@with_sampling_numbers
class InferRequest(Strict):
    """A prompt: the messages that are new, and how to answer them."""

    messages: Annotated[
        list[MessageIn],
        Field(
            min_length=1,
            max_length=MAX_MESSAGES,
            description=(
                "What is new; the service puts the conversation's earlier turns before it. "
                "Without `conversation_id`: an optional system message, then user and assistant "
                "in turn. With it: user and assistant in turn, no system message. Either way the "
                "user speaks first and last."
            ),
        ),
    ]
    conversation_id: Annotated[
        Annotated[str, Field(pattern=CONVERSATION_ID_PATTERN)] | None,
        Field(description="The conversation to go on with. Default: a new one."),
    ] = None
    request_id: Annotated[
        Annotated[str, Field(pattern=REQUEST_ID_PATTERN)] | None,
        Field(
            description=(
                "Your idempotency key, remembered as long as the job: the same key and body give "
                "the same job, another body gives 409."
            ),
        ),
    ] = None
    max_tokens: Annotated[
        Annotated[int, Field(ge=1), Whole] | None,
        Field(
            description=(
                "Tokens to generate at most; they must leave room for the prompt in the model's "
                "context. Default: the model's."
            ),
        ),
    ] = None
    stop: Annotated[
        Annotated[
            list[Annotated[str, Field(min_length=1, max_length=MAX_STOP_CHARS)]],
            Field(max_length=MAX_STOP_STRINGS),
        ]
        | None,
        Field(description="Texts that end the answer; they are not part of it."),
    ] = None
    logit_bias: Annotated[
        Annotated[
            dict[TokenId, Bias],
            Field(max_length=MAX_LOGIT_BIASES, json_schema_extra={"additionalProperties": False}),
        ]
        | None,
        Field(
            description=(
                "From a token's id to what is added to its logit before anything else: -100 "
                "practically forbids it, 100 practically forces it. An id that the model does "
                "not have ends the job with `invalid_request`."
            ),
        ),
    ] = None
    response_format: Annotated[
        AnyFormat | None,
        Field(
            description=(
                "What the answer must look like. A schema or grammar that cannot be used ends "
                "the job with `invalid_grammar`, one that takes too long to follow with "
                "`grammar_too_costly`. An answer that ends for its length may be cut "
                "anywhere. Default: any text."
            ),
        ),
    ] = None
    model: Annotated[
        Annotated[str, Field(min_length=1)] | None,
        Field(description="An id of `GET /models`. Default: the first of them."),
    ] = None


class FleetRequest(Strict):
    """How the fleet is to behave."""

    idle_timeout_seconds: Annotated[
        int,
        Field(
            ge=MIN_IDLE_TIMEOUT_SECONDS,
            le=MAX_IDLE_TIMEOUT_SECONDS,
            description="After so long with nothing to do, the GPU is turned off.",
        ),
        Whole,
    ]


class NoQuery(Strict):
    """A route without query parameters."""


class EventsQuery(Strict):
    """Which events, and how long to wait for the first."""

    after: Annotated[
        int, Field(ge=0, le=MAX_SEQ, description="Only events with a higher `seq`."), Digits
    ] = 0
    wait: Annotated[
        int,
        Field(ge=0, le=MAX_EVENT_WAIT_SECONDS, description="Seconds to wait for the first event."),
        Digits,
    ] = 0


class ConversationsQuery(Strict):
    """A page of the list of conversations."""

    limit: Annotated[
        int, Field(ge=1, le=MAX_CONVERSATIONS_PER_PAGE, description="Conversations a page."), Digits
    ] = DEFAULT_CONVERSATIONS_PER_PAGE
    cursor: Annotated[
        str | None,
        Field(pattern=CURSOR_PATTERN, description="The `next_cursor` of the page before."),
    ] = None


class TurnsQuery(Strict):
    """Which of a conversation's turns."""

    before: Annotated[
        int | None,
        Field(ge=1, le=MAX_TURN, description="Only turns with a lower number."),
        Digits,
    ] = None


def check_order(messages: list[MessageIn], *, opens: bool) -> list[FieldError]:
    """What is wrong with who speaks when; empty if nothing is.

    A conversation may be opened by one system message; after it, user and assistant take turns,
    and the user speaks first and last.
    """
    spoken = list(enumerate(messages))
    if opens and messages[0].role is Role.SYSTEM:
        spoken = spoken[1:]
    if not spoken:
        return [FieldError("/messages", "A user message must follow the system message.")]
    errors = []
    for position, (index, message) in enumerate(spoken):
        expected = Role.ASSISTANT if position % 2 else Role.USER
        if message.role is Role.SYSTEM:
            place = "open a new conversation" if opens else "open a conversation, not go on with it"
            sentence = f"A system message can only {place}."
        elif message.role is not expected:
            sentence = f"This must be the {expected.value}: user and assistant take turns."
        else:
            continue
        errors.append(FieldError(f"/messages/{index}/role", sentence))
        break
    index, last = spoken[-1]
    if not errors and last.role is not Role.USER:
        errors.append(FieldError(f"/messages/{index}/role", "The last message must be the user's."))
    return errors
