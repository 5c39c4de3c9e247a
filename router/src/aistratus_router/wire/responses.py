"""What callers get to read, as JSON and as the OpenAPI document says it."""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    create_model,
)

from aistratus_contracts import codec
from aistratus_contracts.errors import ErrorCode
from aistratus_contracts.event import EVENT_BODIES, JobError, Notice, Usage
from aistratus_contracts.limits import MAX_IDLE_TIMEOUT_SECONDS, MIN_IDLE_TIMEOUT_SECONDS
from aistratus_contracts.states import FinishReason, FleetState, JobState, Purchase, Role

Time = Annotated[
    datetime,
    PlainSerializer(codec.format_time, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]
Count = Annotated[int, Field(ge=0)]
M = TypeVar("M", bound=BaseModel)


class Answer(BaseModel):
    """The rules that hold for everything we say: fields that do not apply are left out.

    A model is built when it is first used: most starts are for one route only.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Health(Answer):
    """The service is up."""

    status: Literal["ok"]
    version: str


class Model(Answer):
    """A model that can be asked for; `context` is in tokens, prompt and answer together."""

    id: str
    title: str
    context: Count
    default_max_tokens: Count
    default_temperature: float
    license: str


class Models(Answer):
    """The models of this deployment; the first is the default."""

    models: list[Model]


class JobAccepted(Answer):
    """A job, and where it stands now."""

    job_id: str
    conversation_id: str
    state: JobState


class Waiting(Answer):
    """Why a queued job has not begun."""

    reason: Literal["earlier_turn", "worker"]
    message: str


def _one_body(schema: dict[str, Any]) -> None:
    schema["oneOf"] = [{"required": [name]} for name in EVENT_BODIES]


def _with_event_bodies(model: type[M]) -> type[M]:
    """The model with one more optional field for each kind of event; the contract has the kinds."""
    fields: dict[str, Any] = {name: (body | None, None) for name, body in EVENT_BODIES.items()}
    return create_model(
        model.__name__,
        __base__=model,
        __module__=model.__module__,
        __doc__=model.__doc__,
        **fields,
    )


@_with_event_bodies
class EventOut(Answer):
    """One entry of a job's log. `seq` runs 1, 2, 3 … without a gap; `v` is the form's version.

    Beside these fields it holds exactly one, which is named after the event's kind. A later release
    may add kinds and codes: a client passes over what it does not know.
    """

    model_config = ConfigDict(json_schema_extra=_one_body)

    v: Literal[1]
    seq: Annotated[int, Field(ge=1)]
    attempt: Count
    at: Time


class Events(Answer):
    """New events, in order and without a gap.

    `next_after` is what to ask for `after` next; `done` says that the job's last event is in
    this page or before it. `retry_after` is there if the poll was not held, or if it is known when
    the next event is due: ask again after that many seconds.
    """

    job_id: str
    state: JobState
    events: list[EventOut]
    next_after: Count
    done: bool
    retry_after: Annotated[float, Field(gt=0)] | None = None


class JobView(Answer):
    """A job, its answer so far, and what is known of it. `events` is the last event's `seq`."""

    job_id: str
    conversation_id: str
    state: JobState
    model: str
    text: str
    attempt: Count
    created_at: Time
    events: Count
    notices: list[Notice]
    usage: Usage | None = None
    error: JobError | None = None
    finish_reason: FinishReason | None = None
    waiting: Waiting | None = None


class ConversationOut(Answer):
    """A conversation in a list."""

    conversation_id: str
    title: str
    created_at: Time
    updated_at: Time
    turns: Count


class Conversations(Answer):
    """A page of conversations, the most recently used first."""

    conversations: list[ConversationOut]
    next_cursor: str | None = None


class MessageOut(Answer):
    """One message."""

    role: Role
    content: str


class AnswerOut(Answer):
    """What came of a turn; the text may be cut or empty if it did not succeed."""

    state: JobState
    text: str


class TurnOut(Answer):
    """A turn; without an `answer` as long as its job has not ended."""

    turn: Count
    job_id: str
    created_at: Time
    messages: list[MessageOut]
    answer: AnswerOut | None = None


class ConversationView(Answer):
    """A conversation and its turns, oldest first.

    A long conversation comes in parts, the newest first: `next_before` is there if there are
    earlier turns, which `?before=` that number gives.
    """

    conversation_id: str
    title: str
    created_at: Time
    updated_at: Time
    turns: list[TurnOut]
    next_before: int | None = None


class FleetOut(Answer):
    """The GPU instances, as far as it is known.

    `managed` is false where something else starts and stops the workers; then there is neither
    an idle timeout nor a way to buy. `queue_depth` counts the jobs of all users that have not
    ended. `scheduled_until` is there if the schedule keeps the fleet on, work or not.
    `problem` is what stands in the way of an instance.
    """

    managed: bool
    state: FleetState
    queue_depth: Count
    idle_timeout_seconds: (
        Annotated[int, Field(ge=MIN_IDLE_TIMEOUT_SECONDS, le=MAX_IDLE_TIMEOUT_SECONDS)] | None
    ) = None
    purchase: Purchase | None = None
    scheduled_until: Time | None = None
    problem: str | None = None


class FieldErrorOut(Answer):
    """A refused field: an RFC 6901 pointer into the body, or `?name` of the query."""

    field: str
    message: str


class ProblemOut(Answer):
    """Why a request was refused (RFC 9457); `code` is stable, `detail` is for a person."""

    type: str
    status: Annotated[int, Field(ge=400, le=599)]
    code: ErrorCode
    title: str
    detail: str
    errors: list[FieldErrorOut] | None = None


class GatewayError(BaseModel):
    """What the gateway says itself, before or instead of the service behind it."""

    message: str
