"""What callers get to read, as JSON and as the OpenAPI document says it."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from aistratus_contracts import codec
from aistratus_contracts.errors import JobErrorCode, NoticeCode
from aistratus_contracts.states import FinishReason, JobState, Role

Time = Annotated[
    datetime,
    PlainSerializer(codec.format_time, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]
Count = Annotated[int, Field(ge=0)]


class Answer(BaseModel):
    """The rules that hold for everything we say: fields that do not apply are left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Health(Answer):
    """The service is up."""

    status: str
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

    reason: Annotated[str, Field(json_schema_extra={"enum": ["earlier_turn", "worker"]})]
    message: str


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
