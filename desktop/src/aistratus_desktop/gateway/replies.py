"""What the API answers, as types. Fields that a newer API adds are passed over."""

import dataclasses
import types
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from aistratus_contracts import codec
from aistratus_contracts.errors import ContractError
from aistratus_contracts.event import Event, JobError, Usage, event_from_plain
from aistratus_contracts.job import Message
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
class ConversationTurn:
    """A turn; without an `answer` its job has not ended yet."""

    turn: int
    job_id: str
    created_at: datetime
    messages: tuple[Message, ...]
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
    """The body of `GET /jobs/{id}/events`."""
    head = read(_EventPage, document)
    plain = document.get("events") if isinstance(document, dict) else None
    if not isinstance(plain, list):
        raise Unreadable("the page of events holds no list of them.")
    try:
        events = tuple(event_from_plain(item) for item in plain)
    except ContractError as error:
        raise Unreadable(str(error)) from error
    return EventPage(head.job_id, head.state, events, head.done, retry_after)


def read(cls: type[T], document: object) -> T:
    """A reply of that type; raises `Unreadable` for anything else."""
    try:
        return codec.from_plain(cls, _known_part(cls, document))
    except ContractError as error:
        raise Unreadable(str(error)) from error


def _known_part(cls: type, document: object) -> object:
    """The document without the fields that the type, or a type in it, does not have."""
    if not isinstance(document, dict):
        return document
    narrow = _narrowers(cls)
    return {key: narrow[key](item) for key, item in document.items() if key in narrow}


@cache
def _narrowers(cls: type) -> dict[str, Callable[[Any], Any]]:
    hints = get_type_hints(cls)
    return {field.name: _narrower(hints[field.name]) for field in dataclasses.fields(cls)}


def _narrower(hint: Any) -> Callable[[Any], Any]:
    if get_origin(hint) in (Union, types.UnionType):
        return _narrower(next(part for part in get_args(hint) if part is not type(None)))
    if get_origin(hint) is tuple:
        inner = _narrower(get_args(hint)[0])
        return lambda items: [inner(item) for item in items] if isinstance(items, list) else items
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return lambda document: _known_part(hint, document)
    return lambda item: item
