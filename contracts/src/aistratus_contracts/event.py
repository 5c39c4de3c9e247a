"""What a reader sees of a job: numbered events."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from aistratus_contracts import codec
from aistratus_contracts.errors import Ambiguous, JobErrorCode, MissingField, NoticeCode
from aistratus_contracts.states import FinishReason, JobState

EVENT_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class StateChange:
    """The job is in this state from here on; a final state is always a job's last event."""

    state: JobState
    finish_reason: FinishReason | None = None


@dataclass(frozen=True, slots=True)
class Delta:
    """More of the answer: text to append, and the token ids that it came from."""

    text: str
    token_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that the job took; `cached_tokens` of the prompt needed no new prefill."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class JobError:
    """Why the job failed, as a sentence for the person who reads it."""

    code: JobErrorCode
    message: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the reader should know; the job goes on."""

    code: NoticeCode
    message: str


@dataclass(frozen=True, slots=True)
class UnknownBody:
    """The body of a newer release's event, unchanged. Readers skip it, and create none.

    The event still has its `seq`, so the events after it follow without a gap.
    """

    fields: Mapping[str, Any]


EventBody = StateChange | Delta | Usage | JobError | Notice

EVENT_BODIES: Final[dict[str, type[EventBody]]] = {
    "state": StateChange,
    "delta": Delta,
    "usage": Usage,
    "error": JobError,
    "notice": Notice,
}
"""Each kind of event, by its name on the wire."""

_NAMES: Final = {body: name for name, body in EVENT_BODIES.items()}


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a job's log. `seq` runs 1, 2, 3 … without a gap; `attempt` wrote it."""

    seq: int
    attempt: int
    at: datetime
    body: EventBody | UnknownBody

    @property
    def ends_job(self) -> bool:
        """True for the last event of a job."""
        return isinstance(self.body, StateChange) and self.body.state.is_final


@dataclass(frozen=True, slots=True)
class _Header:
    seq: int
    attempt: int
    at: datetime


_HEADER: Final = frozenset(field.name for field in dataclasses.fields(_Header))


def event_to_plain(event: Event) -> dict[str, Any]:
    """An event as it is sent: `{"v", "seq", "attempt", "at", one of the body names}`."""
    header = {
        codec.VERSION_KEY: EVENT_VERSION,
        "seq": event.seq,
        "attempt": event.attempt,
        "at": codec.format_time(event.at),
    }
    if isinstance(event.body, UnknownBody):
        return {**event.body.fields, **header}
    return {**header, _NAMES[type(event.body)]: codec.to_plain(event.body)}


def event_from_plain(document: object) -> Event:
    """The reverse of `event_to_plain`; raises a `ContractError`."""
    fields = codec.strip_version("Event", document, EVENT_VERSION)
    header = codec.from_plain(_Header, fields)
    return Event(header.seq, header.attempt, header.at, _body(fields))


def _body(fields: Mapping[str, Any]) -> EventBody | UnknownBody:
    names = [name for name in fields if name in EVENT_BODIES]
    if len(names) > 1:
        raise Ambiguous("Event", names[0], names[1])
    if names:
        return codec.from_plain(EVENT_BODIES[names[0]], fields[names[0]])
    rest = {name: item for name, item in fields.items() if name not in _HEADER}
    if not rest:
        raise MissingField("Event", "|".join(EVENT_BODIES))
    return UnknownBody(rest)


def encode_event(event: Event) -> str:
    """An event as versioned JSON text."""
    return codec.dumps(event_to_plain(event))


def decode_event(text: str | bytes) -> Event:
    """The reverse of `encode_event`; raises a `ContractError`."""
    return event_from_plain(codec.parse("Event", text))
