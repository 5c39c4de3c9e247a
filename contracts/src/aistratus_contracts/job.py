"""What was asked for, and how far the job has come."""

import secrets
from base64 import b32encode
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Annotated, Final, get_args, get_origin, get_type_hints

from aistratus_contracts import codec
from aistratus_contracts.limits import MAX_REQUEST_ID_CHARS
from aistratus_contracts.states import JobState, ResponseFormatType, Role

JOB_VERSION: Final = 1
JOB_HEAD_VERSION: Final = 1
QUEUE_MESSAGE_VERSION: Final = 1
JOB_ID_PATTERN: Final = r"^job-[a-z2-7]{24}$"
CONVERSATION_ID_PATTERN: Final = r"^conv-[a-z2-7]{24}$"
REQUEST_ID_PATTERN: Final = rf"^[A-Za-z0-9._:-]{{1,{MAX_REQUEST_ID_CHARS}}}$"


def _new_id(prefix: str) -> str:
    """120 random bits: nobody can guess another's id."""
    return f"{prefix}-{b32encode(secrets.token_bytes(15)).decode().lower()}"


def new_job_id() -> str:
    """A fresh job id."""
    return _new_id("job")


def new_conversation_id() -> str:
    """A fresh conversation id."""
    return _new_id("conv")


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class LogitBias:
    """What is added to a token's logit before anything else.

    -100 practically forbids the token, +100 practically forces it (OpenAI's range).
    """

    token: int
    bias: float


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """What the answer must look like.

    `schema` is a JSON Schema as JSON text, only for `json_schema`; `grammar` is in llama.cpp's GBNF
    and begins at its rule `root`, only for `grammar`.
    """

    type: ResponseFormatType
    schema: str = ""
    grammar: str = ""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the most that a caller may choose, and a note to help them choose."""

    least: float
    most: float
    note: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to choose tokens; the field names and meanings are llama.cpp's.

    The frequency and presence penalties are OpenAI's: they count only the answer's tokens.

    Each number with bounds is also a field of `POST /infer`: the router takes its name, type,
    bounds and note from here. `max_tokens` counts generated tokens; the model sets its bound.
    """

    max_tokens: int
    temperature: Annotated[float, Bounds(0, 2, "0 is greedy. Default: the model's.")]
    top_p: Annotated[float, Bounds(0, 1, "1 is off.")] = 0.95
    top_k: Annotated[int, Bounds(0, 1000, "0 is off.")] = 40
    min_p: Annotated[float, Bounds(0, 1, "0 is off.")] = 0.05
    # Less than 0.1 would multiply scores without limit.
    repeat_penalty: Annotated[float, Bounds(0.1, 2, "1 is off.")] = 1.0
    frequency_penalty: Annotated[
        float, Bounds(-2, 2, "Taken off a token's logit for each use in the answer. 0 is off.")
    ] = 0.0
    presence_penalty: Annotated[
        float, Bounds(-2, 2, "Taken off a token's logit once the answer has used it. 0 is off.")
    ] = 0.0
    seed: Annotated[int, Bounds(0, 2**32 - 1, "Without it, each job draws its own.")] | None = None
    stop: tuple[str, ...] = ()
    logit_bias: tuple[LogitBias, ...] = ()
    response_format: ResponseFormat | None = None


def sampling_numbers() -> dict[str, tuple[type, Bounds]]:
    """The numbers of `Sampling` that a caller may choose, by name: `int` or `float`, and bounds."""
    return {
        name: (part.__origin__, part.__metadata__[0])
        for name, hint in get_type_hints(Sampling, include_extras=True).items()
        for part in (hint, *get_args(hint))
        if get_origin(part) is Annotated
    }


@dataclass(frozen=True, slots=True)
class JobHead:
    """An accepted prompt without what was asked of the sampler: all that is short.

    It never changes after it is accepted. Its messages are stored once, in the conversation, as
    turn number `turn` (1, 2, 3 …). `expires_at` is the table's TTL in epoch seconds.
    """

    job_id: str
    owner: str
    conversation_id: str
    turn: int
    model: str
    created_at: datetime
    expires_at: int


@dataclass(frozen=True, slots=True)
class Job(JobHead):
    """A whole accepted prompt, as an engine needs it."""

    sampling: Sampling

    @property
    def head(self) -> JobHead:
        """The job without its sampling."""
        return JobHead(**{field.name: getattr(self, field.name) for field in fields(JobHead)})


@dataclass(frozen=True, slots=True)
class Cursor:
    """The moving part of a job. `attempt` and `next_seq` together are the fence.

    `attempt` is 0 until a worker first takes the job; `next_seq` is the `seq` of the next
    event. `append_id` names the append that last moved the cursor: a writer that got no reply
    learns from it whether its append succeeded. `failures` counts the engines that this job alone
    has brought down since its answer last grew.
    """

    state: JobState
    attempt: int
    next_seq: int
    cancel_requested: bool = False
    append_id: str = ""
    failures: int = 0


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """The body of a message in `jobs.fifo`: ids only, never text."""

    job_id: str


def encode_job(job: Job) -> str:
    """A job as versioned JSON text."""
    return codec.encode(job, JOB_VERSION)


def decode_job(text: str | bytes) -> Job:
    """The reverse of `encode_job`; raises a `ContractError`."""
    return codec.decode(Job, text, JOB_VERSION)


def encode_job_head(head: JobHead) -> str:
    """A job's head as versioned JSON text."""
    return codec.encode(head, JOB_HEAD_VERSION)


def decode_job_head(text: str | bytes) -> JobHead:
    """The reverse of `encode_job_head`; raises a `ContractError`."""
    return codec.decode(JobHead, text, JOB_HEAD_VERSION)


def encode_queue_message(message: QueueMessage) -> str:
    """A queue message as versioned JSON text."""
    return codec.encode(message, QUEUE_MESSAGE_VERSION)


def decode_queue_message(text: str | bytes) -> QueueMessage:
    """The reverse of `encode_queue_message`; raises a `ContractError`."""
    return codec.decode(QueueMessage, text, QUEUE_MESSAGE_VERSION)
