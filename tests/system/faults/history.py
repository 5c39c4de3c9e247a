"""What happened in a run of the rig, one record after the other, and a file of JSON lines.

Times are seconds of one monotonic clock, the rig's. A call has two: when it `began` and when its
answer was there (`at`); what it did, it did somewhere between. All calls of workers pass proxies
of the rig, so their answers are known also where the worker never got them.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TypeVar

from aistratus_contracts.event import Event, decode_event


@dataclass(frozen=True, slots=True)
class Accepted:
    """A job was stored and sent."""

    at: float
    job: str
    conversation: str
    turn: int


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """From here on the table says that the job's reader wants no more."""

    at: float
    job: str


@dataclass(frozen=True, slots=True)
class Appended:
    """A writer's append to a job's log, and what the table said of it.

    `writer` is a worker's process, `w1.3` for the third one of the instance `w1`. `attempt` is the
    one that it wrote under; `takes_over`: it began that attempt. `kinds` are its events' body
    names, `state` the job's state after it.
    """

    began: float
    at: float
    writer: str
    job: str
    attempt: int
    takes_over: bool
    first_seq: int
    kinds: tuple[str, ...]
    state: str
    accepted: bool

    @property
    def instance(self) -> str:
        """Whose process wrote."""
        return self.writer.partition(".")[0]

    @property
    def is_end(self) -> bool:
        """Whether the job has ended with it."""
        return self.state in ("succeeded", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Received:
    """The queue gave out a message; the worker may not have heard of it."""

    began: float
    at: float
    worker: str
    message: str
    receipt: str
    job: str


@dataclass(frozen=True, slots=True)
class ReceiveRefused:
    """The queue refused a receive for what was in it; trying the same again is of no use."""

    at: float
    worker: str
    attempt_id: str


class Action(StrEnum):
    """What a receipt is for."""

    DELETE = "delete"
    EXTEND = "extend"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Settled:
    """A worker's use of a receipt, and whether the queue took it."""

    began: float
    at: float
    worker: str
    receipt: str
    action: Action
    accepted: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """A reader saw an event; `raw` is the event as it stood in the table, byte by byte."""

    at: float
    reader: str
    job: str
    raw: str


@dataclass(frozen=True, slots=True)
class Logged:
    """An event as it stood in the table when all was over."""

    at: float
    job: str
    raw: str


@dataclass(frozen=True, slots=True)
class Disturbed:
    """A fault, from its beginning until the rig had put right what it did.

    `worker` is the instance that it was done to.
    """

    at: float
    until: float
    fault: str
    worker: str


@dataclass(frozen=True, slots=True)
class Left:
    """What the queue still held when all was over."""

    at: float
    visible: int
    held: int


Record = (
    Accepted
    | CancelAsked
    | Appended
    | Received
    | ReceiveRefused
    | Settled
    | Seen
    | Logged
    | Disturbed
    | Left
)
_RECORDS: dict[str, type[Record]] = {
    kind.__name__: kind
    for kind in (
        Accepted,
        CancelAsked,
        Appended,
        Received,
        ReceiveRefused,
        Settled,
        Seen,
        Logged,
        Disturbed,
        Left,
    )
}
R = TypeVar("R", bound=Record)


@dataclass
class History:
    """All records of a run, in the order in which they were made."""

    records: list[Record] = field(default_factory=list)
    _by_kind: defaultdict[type, list[Record]] = field(default_factory=lambda: defaultdict(list))
    _by_job: defaultdict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, records: Iterable[Record]) -> "History":
        """A history of these records."""
        history = cls()
        for record in records:
            history.add(record)
        return history

    def add(self, record: Record) -> None:
        """One more."""
        self.records.append(record)
        self._by_kind[type(record)].append(record)
        job = getattr(record, "job", None)
        if job is not None:
            self._by_job[job].append(record)

    def all(self, kind: type[R]) -> list[R]:
        """The records of one kind."""
        return self._by_kind[kind]  # type: ignore[return-value]

    def by_job(self, kind: type[R]) -> dict[str, list[R]]:
        """The records of one kind, job by job."""
        found: defaultdict[str, list[R]] = defaultdict(list)
        for record in self.all(kind):
            found[record.job].append(record)  # type: ignore[union-attr]
        return found

    def of_job(self, job: str) -> "History":
        """What happened to one job."""
        return History.of(self._by_job[job])

    def write(self, path: Path) -> None:
        """As JSON lines."""
        with path.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in self._lines())

    @classmethod
    def read(cls, path: Path) -> "History":
        """The reverse of `write`."""
        with path.open(encoding="utf-8") as file:
            return cls.of(_record(json.loads(line)) for line in file)

    def _lines(self) -> Iterator[str]:
        for record in self.records:
            yield json.dumps({"record": type(record).__name__, **asdict(record)})


@cache
def event_of(raw: str) -> Event:
    """The event that a reader saw."""
    return decode_event(raw)


def _record(document: dict[str, object]) -> Record:
    kind = _RECORDS[str(document.pop("record"))]
    if "kinds" in document:
        document["kinds"] = tuple(document["kinds"])  # type: ignore[arg-type]
    if "action" in document:
        document["action"] = Action(str(document["action"]))
    return kind(**document)  # type: ignore[arg-type]
