"""What callers get to read, as JSON and as the OpenAPI document says it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from aistratus_contracts import codec
from aistratus_contracts.errors import ErrorCode, JobErrorCode, NoticeCode
from aistratus_contracts.limits import MAX_IDLE_TIMEOUT_SECONDS, MIN_IDLE_TIMEOUT_SECONDS
from aistratus_contracts.states import FinishReason, FleetState, JobState, Role

Time = Annotated[
    datetime,
    PlainSerializer(codec.format_time, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]
Count = Annotated[int, Field(ge=0)]


class Purchase(StrEnum):
    """How an instance is paid."""

    SPOT = "spot"
    ON_DEMAND = "on-demand"


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


class UsageOut(Answer):
    """Tokens that the job took; `cached_tokens` of the prompt needed no new work."""

    prompt_tokens: Count
    cached_tokens: Count
    completion_tokens: Count


class JobErrorOut(Answer):
    """Why the job failed."""

    code: JobErrorCode
    message: str


class NoticeOut(Answer):
    """Something the reader should know."""

    code: NoticeCode
    message: str


class Waiting(Answer):
    """Why a queued job has not begun."""

    reason: Literal["earlier_turn", "worker"]
    message: str


class StateOut(Answer):
    """The job is in this state from here on; a final state is the job's last event."""

    state: JobState
    finish_reason: FinishReason | None = None


class DeltaOut(Answer):
    """More of the answer: text to append, and the token ids that it came from."""

    text: str
    token_ids: list[Count]


EVENT_BODIES: Final = ("state", "delta", "usage", "error", "notice")


def _one_body(schema: dict[str, Any]) -> None:
    schema["oneOf"] = [{"required": [name]} for name in EVENT_BODIES]


class EventOut(Answer):
    """One entry of a job's log. `seq` runs 1, 2, 3 … without a hole; `v` is the form's version.

    It holds exactly one of `state`, `delta`, `usage`, `error` and `notice`. A later release may add
    to these, and to the codes: a client passes over what it does not know.
    """

    model_config = ConfigDict(json_schema_extra=_one_body)

    v: Literal[1]
    seq: Annotated[int, Field(ge=1)]
    attempt: Count
    at: Time
    state: StateOut | None = None
    delta: DeltaOut | None = None
    usage: UsageOut | None = None
    error: JobErrorOut | None = None
    notice: NoticeOut | None = None


class Events(Answer):
    """New events, in order and without a hole.

    `next_after` is what to ask for `after` next; `done` says that the job's last event is in
    this page or before it.
    """

    job_id: str
    state: JobState
    events: list[EventOut]
    next_after: Count
    done: bool


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
    notices: list[NoticeOut]
    usage: UsageOut | None = None
    error: JobErrorOut | None = None
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
    """A page of conversations, the last used first."""

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
    ended. `problem` is what stands in the way of an instance.
    """

    managed: bool
    state: FleetState
    queue_depth: Count
    idle_timeout_seconds: (
        Annotated[int, Field(ge=MIN_IDLE_TIMEOUT_SECONDS, le=MAX_IDLE_TIMEOUT_SECONDS)] | None
    ) = None
    purchase: Purchase | None = None
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
