"""A reader of an answer that comes in even steps is told of each soon, and few looks are made."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, cast

import pytest

from aistratus_contracts import table
from aistratus_contracts.event import Delta, EventBody, StateChange, decode_event
from aistratus_contracts.job import Cursor, Job, Sampling
from aistratus_contracts.states import FinishReason, JobState
from aistratus_router.jobs.polling import EventsPage, Poller
from aistratus_router.jobs.readers import Readers
from aistratus_router.store.jobs import JobStore
from aistratus_router.store.table import Table
from aistratus_router.user_limits import UserLimits
from support.doubles.aws import Client
from support.doubles.dynamodb import Item
from support.doubles.dynamodb import Table as MemoryTable

EPOCH = datetime(2026, 11, 23, 10, tzinfo=UTC)
JOB = Job("job-a", "ann", "conv-b", 1, "m", EPOCH, table.expiry_of(EPOCH), Sampling(9, 0.0))


class CountedTable(MemoryTable):
    """A table that counts how often it is looked at, and how many polls took a place to wait in."""

    looks = 0
    places = 0

    def handle(self, operation: str, call: Item, by: str = "") -> Item:
        self.looks += operation == "Query"
        self.places += operation == "BatchGetItem"
        return super().handle(operation, call, by)


@dataclass
class Answer:
    """A job whose worker commits at set times, a reader, and the time that passes for both."""

    plan: list[tuple[float, EventBody]]
    skew_seconds: float = 0.0
    now: float = 0.0
    stored: CountedTable = field(default_factory=lambda: CountedTable("jobs"))
    record: table.JobRecord = field(
        default_factory=lambda: table.JobRecord(JOB, Cursor(JobState.RUNNING, 1, 1))
    )

    def __post_init__(self) -> None:
        client = cast("Any", Client(self.stored.handle))
        self.stored.items[("JOB#job-a", table.META)] = table.meta_item(self.record)
        self.poller = Poller(
            JobStore(Table(client, "jobs")),
            Readers(Table(client, "jobs"), JOB.owner, UserLimits(), self.clock),
            lambda: self.now,
            self.sleep,
            self.clock,
        )
        self.sleep(0)

    def clock(self) -> datetime:
        return EPOCH + timedelta(seconds=self.now + self.skew_seconds)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        while self.plan and self.plan[0][0] <= self.now:
            at, body = self.plan.pop(0)
            made = table.append("jobs", self.record, [body], EPOCH + timedelta(seconds=at))
            self.stored.handle("TransactWriteItems", {"TransactItems": made.transact_items})
            self.record = table.JobRecord(JOB, made.cursor)

    def poll(self, after: int) -> EventsPage:
        return self.poller.events("job-a", after, 20, 29)


def steps(count: int, seconds: float) -> list[tuple[float, EventBody]]:
    return [(number * seconds, Delta("x", (1,))) for number in range(count)]


def follow(answer: Answer, count: int, way_seconds: float = 0.0) -> list[float]:
    """How late each event was seen by a reader who asks when told to; the way is there and back."""
    after, late = 0, []
    while after < count:
        page = answer.poll(after)
        for text in page.events:
            at = decode_event(text).at
            late.append(answer.now - (at - EPOCH).total_seconds())
        after = page.next_after
        answer.sleep((page.retry_after or 0.0) + way_seconds)
    return late


@pytest.mark.parametrize("seconds", [0.1, 0.2, 0.4, 0.8])
def test_a_step_is_seen_soon_after_its_commit_and_costs_one_look(seconds: float) -> None:
    answer = Answer(steps(40, seconds))
    late = follow(answer, 40)[2:]  # two steps make a pace
    assert max(late) <= 0.05
    assert answer.stored.looks <= 40 + 25, "the first step is looked for more often"
    assert answer.stored.places == 1, "until there is a pace"


def test_uneven_steps_seldom_need_a_place() -> None:
    """Each step is up to a fifth earlier or later than even ones; seen from 40 ms away."""
    chance = Random(13)  # noqa: S311
    uneven = [(0.25 * (n + 0.2 * chance.uniform(-1, 1)), Delta("x", (1,))) for n in range(400)]
    answer = Answer([*uneven])
    late = follow(answer, 400, 0.04)[2:]
    assert max(late) <= 0.25
    assert answer.stored.places <= 0.3 * 400


@pytest.mark.parametrize("skew_seconds", [-3600.0, -0.5, 0.5, 3600.0])
def test_clocks_that_disagree_cost_looks_or_a_step_but_no_more(skew_seconds: float) -> None:
    answer = Answer(steps(20, 0.4), skew_seconds)
    assert max(follow(answer, 20)) <= 0.4 + 0.05


def test_an_answer_that_stands_still_is_looked_at_as_before() -> None:
    answer = Answer([*steps(3, 0.1), (5.0, Delta("late", (2,)))])
    assert max(follow(answer, 4)) <= 0.3


def test_the_end_is_seen_within_a_step() -> None:
    end = StateChange(JobState.SUCCEEDED, FinishReason.STOP)
    answer = Answer([*steps(3, 0.8), (1.7, end)])
    assert max(follow(answer, 4)) <= 0.8


def test_a_caller_who_does_not_wait_is_answered_from_what_is_new_alone() -> None:
    answer = Answer(steps(3, 0.0))
    del answer.stored.items[("JOB#job-a", table.event_sort_key(2))]
    page = answer.poller.events("job-a", 2, 0, 29)
    assert page.next_after == 3
