"""The checker finds what it is there for: a good history passes, each kind of bad one is named."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aistratus_contracts.event import Delta, Event, EventBody, StateChange, encode_event
from aistratus_contracts.states import JobState
from system.faults.checker import CANCEL_BOUND_SECONDS, check
from system.faults.history import (
    Accepted,
    Action,
    Appended,
    CancelAsked,
    Disturbed,
    History,
    Left,
    Logged,
    Received,
    ReceiveRefused,
    Record,
    Seen,
    Settled,
)

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
RUNNING = StateChange(JobState.RUNNING)
END = StateChange(JobState.SUCCEEDED)


def raw(seq: int, attempt: int, body: EventBody) -> str:
    return encode_event(Event(seq, attempt, NOON, body))


# Two turns of a conversation. The first is begun by one worker, which is stopped, and finished by
# another.
FIRST = (
    raw(1, 0, StateChange(JobState.QUEUED)),
    raw(2, 1, RUNNING),
    raw(3, 1, Delta("Hel", (1,))),
    raw(4, 2, RUNNING),
    raw(5, 2, Delta("lo", (2,))),
    raw(6, 2, END),
)
SECOND = (raw(1, 0, StateChange(JobState.QUEUED)), raw(2, 1, RUNNING), raw(3, 1, END))

TAKEN = Appended(1.0, 1.1, "w1", "a", 1, True, 2, ("state",), "running", True)
FIRST_TEXT = Appended(1.2, 1.3, "w1", "a", 1, False, 3, ("delta",), "running", True)
OVERTAKEN = Appended(6.0, 6.1, "w2", "a", 2, True, 4, ("state",), "running", True)
STALE = Appended(8.0, 8.1, "w1", "a", 1, False, 4, ("delta",), "running", False)
LAST = Appended(9.0, 9.1, "w2", "a", 2, False, 5, ("delta", "state"), "succeeded", True)
SECOND_TAKEN = Appended(9.5, 9.6, "w1", "b", 1, True, 2, ("state",), "running", True)
SECOND_END = Appended(9.7, 9.8, "w1", "b", 1, False, 3, ("state",), "succeeded", True)
STALE_DELETE = Settled(8.2, 8.3, "w1", "r1", Action.DELETE, accepted=False)

GOOD: tuple[Record, ...] = (
    Accepted(0.5, "a", "talk", 1),
    Accepted(0.6, "b", "talk", 2),
    Received(0.8, 0.9, "w1", "m1", "r1", "a"),
    TAKEN,
    FIRST_TEXT,
    Settled(1.4, 1.5, "w1", "r1", Action.EXTEND, accepted=True),
    Disturbed(2.0, 7.9, "stop worker", "w1"),
    Received(5.0, 5.9, "w2", "m1", "r2", "a"),
    OVERTAKEN,
    STALE,
    STALE_DELETE,
    LAST,
    Settled(9.2, 9.3, "w2", "r2", Action.DELETE, accepted=True),
    SECOND_TAKEN,
    SECOND_END,
    *(Seen(n + 1.0, "ann", "a", text) for n, text in enumerate(FIRST)),
    *(Seen(9.9, "bob", "a", text) for text in FIRST[:4]),
    *(Logged(20.0, "a", text) for text in FIRST),
    *(Logged(20.0, "b", text) for text in SECOND),
    Left(20.0, 0, 0),
)


def without(*gone: Record) -> list[Record]:
    return [record for record in GOOD if record not in gone]


def changed(old: Record, new: Record) -> list[Record]:
    assert old in GOOD
    return [new if record == old else record for record in GOOD]


def logged(*log: str) -> list[Record]:
    """The good history, with another log of the first job; nobody has read it."""
    kept = [r for r in GOOD if not isinstance(r, Seen | Logged) or r.job != "a"]
    return [*kept, *(Logged(20.0, "a", text) for text in log)]


def seen(reader: str, *events: str) -> list[Record]:
    return [*GOOD, *(Seen(15.0, reader, "a", text) for text in events)]


def broken(records: list[Record]) -> set[str]:
    return {violation.rule for violation in check(History.of(records))}


def test_a_good_history_passes() -> None:
    assert check(History.of(GOOD)) == []


def test_an_empty_history_passes() -> None:
    assert check(History()) == []


def test_a_history_is_the_same_when_it_was_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    History.of(GOOD).write(path)
    assert History.read(path).records == list(GOOD)


BAD: dict[str, tuple[str, Callable[[], list[Record]]]] = {
    "a job without an end": ("lost", lambda: logged(*FIRST[:5])),
    "a job that is not in the table": ("lost", logged),
    "two ends": ("ended twice", lambda: logged(*FIRST, raw(7, 2, END))),
    "an event after the end": ("ended twice", lambda: logged(*FIRST, raw(7, 2, Delta("!", (3,))))),
    "two ends that the table took": (
        "ended twice",
        lambda: [*GOOD, replace(LAST, began=9.15, at=9.2, first_seq=7)],
    ),
    "a message that is left over": (
        "left over",
        lambda: changed(Left(20.0, 0, 0), Left(20.0, 0, 1)),
    ),
    "a hole in the log": ("hole or repeat", lambda: logged(*FIRST[:2], *FIRST[3:])),
    "a number twice in the log": (
        "hole or repeat",
        lambda: logged(*FIRST[:3], raw(3, 1, Delta("?", (9,))), *FIRST[3:]),
    ),
    "a number that was given twice": (
        "hole or repeat",
        lambda: [*GOOD, replace(FIRST_TEXT, began=1.31, at=1.35)],
    ),
    "text that changed": (
        "retracted",
        lambda: seen("cid", *FIRST[:2], raw(3, 1, Delta("Hal", (1,)))),
    ),
    "text that is gone": ("retracted", lambda: seen("cid", *FIRST, raw(7, 2, Delta("!", (3,))))),
    "one event changed, in nothing but its time": (
        "retracted",
        lambda: seen("cid", encode_event(Event(1, 0, datetime.now(UTC), RUNNING))),
    ),
    "a reader who is told something twice": (
        "reordered",
        lambda: seen("cid", FIRST[0], FIRST[1], FIRST[1]),
    ),
    "a reader who misses something": ("reordered", lambda: seen("cid", FIRST[0], FIRST[2])),
    "a reader who is sent back": ("reordered", lambda: seen("ann", FIRST[0])),
    "a turn that ran before its time": (
        "turn out of order",
        lambda: changed(SECOND_TAKEN, replace(SECOND_TAKEN, began=3.0, at=3.1)),
    ),
    "a turn that ran though the one before never ended": (
        "turn out of order",
        lambda: without(LAST),
    ),
    "an attempt that went back": (
        "fence",
        lambda: logged(*FIRST[:4], raw(5, 1, Delta("lo", (2,))), FIRST[5]),
    ),
    "an append of who was overtaken": (
        "fence",
        lambda: changed(STALE, replace(STALE, accepted=True)),
    ),
    "two writers in one attempt": (
        "fence",
        lambda: changed(FIRST_TEXT, replace(FIRST_TEXT, writer="w2")),
    ),
    "a stale receipt that deletes": (
        "stale receipt",
        lambda: changed(STALE_DELETE, replace(STALE_DELETE, accepted=True)),
    ),
    "a stale receipt that extends": (
        "stale receipt",
        lambda: [*GOOD, replace(STALE_DELETE, action=Action.EXTEND, accepted=True)],
    ),
    "a worker that asks again and again what is refused": (
        "starves",
        lambda: [*GOOD, ReceiveRefused(3.0, "w1", "x"), ReceiveRefused(4.0, "w1", "x")],
    ),
    "text after the wish to cancel": (
        "not cancelled",
        lambda: [*GOOD, CancelAsked(1.15, "a")],
    ),
    "a cancelled job that goes on and on": (
        "not cancelled",
        lambda: [
            *(record for record in GOOD if record not in (LAST, FIRST_TEXT)),
            CancelAsked(1.2, "a"),
            replace(LAST, began=30.0, at=30.1),
        ],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_history_is_named(name: str) -> None:
    rule, records = BAD[name]
    assert rule in broken(records())


def test_a_violation_shows_its_evidence() -> None:
    (violation,) = check(History.of(changed(STALE, replace(STALE, accepted=True))))[:1]
    assert "r1" not in str(violation)
    assert str(violation).startswith("hole or repeat: a: ")
    assert "writer='w1'" in str(violation)


@pytest.mark.parametrize(
    "records",
    [
        # The end and the wish to cancel crossed: the job took its last text along.
        [*GOOD, CancelAsked(8.9, "a")],
        [*GOOD, CancelAsked(12.0, "a")],
        [*GOOD, ReceiveRefused(3.0, "w1", "x"), ReceiveRefused(4.0, "w1", "y")],
        # Nobody knows which of the two was first.
        changed(SECOND_TAKEN, replace(SECOND_TAKEN, began=8.0, at=9.05)),
        changed(STALE_DELETE, replace(STALE_DELETE, began=5.5, accepted=True)),
        # A delete of what is deleted succeeds with any receipt that the message ever had.
        changed(STALE_DELETE, replace(STALE_DELETE, began=9.4, at=9.45, accepted=True)),
        # The worker could not know: it was cut off.
        [
            *without(LAST),
            CancelAsked(6.2, "a"),
            Disturbed(7.0, 20.0, "cut", "w2"),
            replace(LAST, began=9.0 + CANCEL_BOUND_SECONDS, at=9.2 + CANCEL_BOUND_SECONDS),
            *(),
        ],
    ],
)
def test_what_may_have_been_all_right_is_no_violation(records: list[Record]) -> None:
    rules = broken(records)
    assert not rules & {"not cancelled", "stale receipt"}
    if CancelAsked(6.2, "a") not in records:
        assert rules == set()
