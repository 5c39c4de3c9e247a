"""What the API answers, as types. What a newer API adds is passed over."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from aistratus_contracts import codec
from aistratus_contracts.errors import ContractError, UnknownVersion
from aistratus_contracts.event import Event, JobError, Usage, event_from_plain
from aistratus_contracts.models import ModelCard
from aistratus_contracts.states import FinishReason, JobState
from aistratus_desktop.gateway.errors import Unreadable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A job that the API has taken, and its state just then."""

    job_id: str
    conversation_id: str
    state: JobState


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a job has not begun; `message` is a sentence for the person."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as far as it has come; `events` is the number of its last event."""

    job_id: str
    conversation_id: str
    state: JobState
    text: str
    events: int
    usage: Usage | None = None
    error: JobError | None = None
    finish_reason: FinishReason | None = None
    waiting: Waiting | None = None


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events of a job in order; `done` when the job's last event is here or was before.

    `retry_after`: the API held no poll just now; it would like so many seconds until the next.
    """

    job_id: str
    state: JobState
    events: tuple[Event, ...]
    done: bool
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    """One line of the history."""

    conversation_id: str
    title: str
    created_at: datetime
    updated_at: datetime
    turns: int


@dataclass(frozen=True, slots=True)
class ConversationPage:
    """Some of the history, most recent first; `next_cursor` leads to older ones."""

    conversations: tuple[ConversationSummary, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class TurnAnswer:
    """What came of a turn."""

    state: JobState
    text: str


@dataclass(frozen=True, slots=True)
class SaidMessage:
    """One message of a turn. `role` may be one that only a newer release knows."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class ConversationTurn:
    """A turn; without an `answer` its job has not ended yet."""

    turn: int
    job_id: str
    created_at: datetime
    messages: tuple[SaidMessage, ...]
    answer: TurnAnswer | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """A whole conversation."""

    conversation_id: str
    title: str
    turns: tuple[ConversationTurn, ...]


@dataclass(frozen=True, slots=True)
class _Models:
    models: tuple[ModelCard, ...]


@dataclass(frozen=True, slots=True)
class _EventPage:
    job_id: str
    state: JobState
    done: bool


def read_models(document: object) -> tuple[ModelCard, ...]:
    """The body of `GET /models`."""
    return read(_Models, document).models


def read_events(document: object, retry_after: float | None = None) -> EventPage:
    """The body of `GET /jobs/{id}/events`.

    Where an event has a version that this app cannot read, the page ends before it. Only a page
    that begins with one is `Unreadable`, so the person sees all that there is to see first.
    """
    head = read(_EventPage, document)
    plain = document.get("events") if isinstance(document, dict) else None
    if not isinstance(plain, list):
        raise Unreadable("the page of events holds no list of them.")
    events: list[Event] = []
    for item in plain:
        try:
            events.append(event_from_plain(item))
        except ContractError as error:
            if not events or not isinstance(error, UnknownVersion):
                raise Unreadable(str(error)) from error
            break
    is_whole = len(events) == len(plain)
    return EventPage(head.job_id, head.state, tuple(events), head.done and is_whole, retry_after)


def read(cls: type[T], document: object) -> T:
    """A reply of that type; raises `Unreadable` for anything else."""
    try:
        return codec.from_plain(cls, document)
    except ContractError as error:
        raise Unreadable(str(error)) from error
