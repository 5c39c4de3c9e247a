"""The API's answers as types. Fields that a newer API adds are ignored."""

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
    """A job that the API has accepted, with its state at that moment."""

    job_id: str
    conversation_id: str
    state: JobState


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a job has not begun; `message` is a sentence to show to the person."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class JobView:
    """A job's current state; `events` is the number of its last event."""

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
    """Events of a job in order; `done` if the job's last event is on this page or before it.

    `retry_after`: the API asks for this many seconds until the next poll. If the page has no
    events, it did not hold this one.
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
    """A page of the history, most recent first; `next_cursor` leads to the older ones."""

    conversations: tuple[ConversationSummary, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class TurnAnswer:
    """The result of a turn."""

    state: JobState
    text: str


@dataclass(frozen=True, slots=True)
class SaidMessage:
    """One message of a turn. `role` may be one that only a newer API knows."""

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
    retry_after: float | None = None


def read_models(document: object) -> tuple[ModelCard, ...]:
    """The body of `GET /models`."""
    return read(_Models, document).models


def read_events(document: object, retry_after: float | None = None) -> EventPage:
    """The body of `GET /jobs/{id}/events`.

    The page ends before an event with a version that this app cannot read. Only a page that begins
    with such an event raises `Unreadable`, so that the person first sees all readable events.
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
    # A browser hides the header from other sites' pages, and it counts whole seconds.
    retry_after = retry_after if head.retry_after is None else head.retry_after
    return EventPage(head.job_id, head.state, tuple(events), head.done and is_whole, retry_after)


def read(cls: type[T], document: object) -> T:
    """The document as that type; raises `Unreadable` if it does not fit."""
    try:
        return codec.from_plain(cls, document)
    except ContractError as error:
        raise Unreadable(str(error)) from error
