"""A job's events as one unbroken stream, whatever the connection does."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import pytest

from aistratus_contracts.event import Delta, Event, EventBody, StateChange, event_to_plain
from aistratus_contracts.states import FinishReason, JobState
from aistratus_desktop.gateway import GatewayClient, Pace, Unreachable, Unreadable
from aistratus_desktop.gateway.client import PATIENCE_SECONDS
from aistratus_desktop.state.bubble import awaited
from support.desktop_stand import Stand, event
from support.scripted_http import HANG_UP, Answer, say, scripted_server

pytestmark = pytest.mark.anyio

BODIES: tuple[EventBody, ...] = (
    StateChange(JobState.QUEUED),
    StateChange(JobState.RUNNING),
    Delta("Hello", (1,)),
    Delta(" world", (2,)),
    StateChange(JobState.SUCCEEDED, FinishReason.STOP),
)
LOG = [event(seq, body) for seq, body in enumerate(BODIES, 1)]


class Tokens:
    async def access_token(self) -> str:
        return "access-1"

    async def refresh(self) -> None:
        raise AssertionError


@dataclass
class Time:
    """A clock that only pauses move."""

    now: float = 0.0
    pauses: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def pace(self) -> Pace:
        return Pace(sleep=self.sleep, chance=lambda: 1.0, clock=lambda: self.now)


def page(first: int, last: int, *, done: bool | None = None, **more: float) -> Answer:
    """Events number `first` to `last`."""
    events = LOG[first - 1 : last]
    return say(
        {
            "job_id": "job-1",
            "state": "running",
            "events": [event_to_plain(item) for item in events],
            "next_after": last,
            "done": last == len(LOG) if done is None else done,
            **more,
        }
    )


async def follow(
    *script: Answer, after: int = 0, time: Time | None = None, seen: list[Event] | None = None
) -> tuple[list[Event], list[str]]:
    """What comes, also into `seen` as it comes, and what was asked."""
    told: list[Event] = [] if seen is None else seen
    async with (
        scripted_server(*script) as server,
        GatewayClient(server.url, Tokens(), pace=(time or Time()).pace()) as client,
    ):
        async for item in client.follow("job-1", after):
            told.append(item)  # noqa: PERF401 - a list that is there also when this ends badly
    return told, [asked.path for asked in server.asked]


async def test_every_event_comes_once_and_in_order() -> None:
    seen, asked = await follow(page(1, 2), page(3, 3), page(4, 5))
    assert seen == LOG
    assert asked == [f"/jobs/job-1/events?after={n}&wait=20" for n in (0, 2, 3)]


@pytest.mark.parametrize("after", range(len(LOG) + 1))
async def test_it_goes_on_from_anywhere(after: int) -> None:
    seen, _ = await follow(page(after + 1, len(LOG)), after=after)
    assert seen == LOG[after:]


async def test_a_broken_connection_is_taken_up_where_it_broke() -> None:
    cut = Answer(page(3, 5).body, cut_after=50)
    unavailable = say({"message": "Service Unavailable"}, 503)
    time = Time()
    seen, asked = await follow(page(1, 2), cut, HANG_UP, unavailable, page(3, 5), time=time)
    assert seen == LOG
    assert [path.split("after=")[1][0] for path in asked] == ["0", "2", "2", "2", "2"]
    assert time.pauses == [0.25, 0.5, 1.0]


async def test_the_server_may_ask_for_a_longer_pause() -> None:
    time = Time()
    seen, _ = await follow(say({}, 503, Retry_After="12"), page(1, 5), time=time)
    assert seen == LOG
    assert time.pauses == [15.0]


async def test_a_poll_that_is_not_held_is_not_asked_again_at_once() -> None:
    time = Time()
    plain = {"job_id": "job-1", "state": "queued", "events": [], "next_after": 0, "done": False}
    unheld = say(plain, 200, Retry_After="1")
    seen, asked = await follow(unheld, unheld, page(1, 5), time=time)
    assert seen == LOG
    assert len(asked) == 3
    assert time.pauses == [1.25, 1.25]


async def test_the_next_step_of_an_answer_is_asked_for_when_it_is_due() -> None:
    time = Time()
    seen, _ = await follow(page(1, 2, retry_after=0.2), page(3, 3), page(4, 5), time=time)
    assert seen == LOG
    assert time.pauses == [pytest.approx(0.2)], "no later, and only where the server knows"


async def test_a_step_that_is_late_is_asked_for_soon_again() -> None:
    time = Time()
    late = page(3, 2, retry_after=0.1)
    seen, _ = await follow(page(1, 2), late, page(3, 2, retry_after=0.01), page(3, 5), time=time)
    assert seen == LOG
    assert time.pauses == [pytest.approx(0.125), 0.1]


async def test_too_many_readers_are_waited_for_and_told_of_if_it_lasts() -> None:
    time = Time()
    detail = "No more than 16 of your requests may wait for an answer at once; close some of them."
    problem = {"status": 429, "code": "too_many_readers", "title": "Too many", "detail": detail}
    refusal = say(problem, 429, Retry_After="5")
    seen, _ = await follow(refusal, refusal, page(1, 5), time=time)
    assert seen == LOG
    assert time.pauses == [6.25, 6.25]
    with pytest.raises(Unreachable, match="16 of your requests"):
        await follow(*(refusal,) * 40, time=time)
    assert PATIENCE_SECONDS <= time.now < PATIENCE_SECONDS + 30


async def test_an_event_that_is_told_twice_is_seen_once() -> None:
    seen, _ = await follow(page(1, 3), page(2, 4), page(1, 5))
    assert seen == LOG


async def test_a_hole_is_an_error_and_not_a_silence() -> None:
    with pytest.raises(Unreadable, match="event 3 of the job is missing"):
        await follow(page(1, 2), page(4, 5))


async def test_an_event_of_another_version_says_to_update_after_all_that_came_before() -> None:
    newer = {**event_to_plain(LOG[2]), "v": 2}
    known = [event_to_plain(item) for item in LOG[:2]]

    def page_of(*events: dict[str, Any]) -> Answer:
        return say({"job_id": "job-1", "state": "succeeded", "events": events, "done": True})

    seen: list[Event] = []
    with pytest.raises(Unreadable, match="update the app"):
        await follow(page_of(*known, newer), page_of(newer), seen=seen)
    assert seen == LOG[:2]


async def test_an_event_of_an_unknown_kind_is_passed_over_and_leaves_no_hole() -> None:
    header = {name: event_to_plain(LOG[2])[name] for name in ("v", "seq", "attempt", "at")}
    events = [event_to_plain(item) for item in LOG]
    events[2] = {**header, "citation": {"url": "https://example.org"}}
    state = {"job_id": "job-1", "state": "succeeded", "done": True}

    seen, _ = await follow(say({**state, "events": events}))

    assert [item.seq for item in seen] == [1, 2, 3, 4, 5]
    bubble = awaited()
    for item in seen:
        bubble.take(item)
    assert (bubble.text, bubble.state, bubble.last_seq) == (" world", JobState.SUCCEEDED, 5)


async def test_a_page_without_a_list_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        await follow(say({"job_id": "job-1", "state": "queued", "done": False}))


async def test_who_has_seen_all_hears_nothing_more() -> None:
    seen, asked = await follow(page(6, 6, done=True), after=5)
    assert seen == []
    assert len(asked) == 1


async def test_polls_that_come_back_empty_at_once_do_not_spin() -> None:
    time = Time()
    seen, _ = await follow(page(1, 0), page(1, 0), page(1, 5), time=time)
    assert seen == LOG
    assert time.pauses == [0.5, 0.5]


async def test_a_connection_that_stays_dead_is_given_up() -> None:
    time = Time()
    with pytest.raises(Unreachable):
        await follow(page(1, 2), HANG_UP, time=time)
    assert PATIENCE_SECONDS < time.now < PATIENCE_SECONDS + 10


async def test_it_hears_what_happens_while_it_waits(stand: Stand, client: GatewayClient) -> None:
    accepted = await client.ask("Hello")
    job = stand.jobs[accepted.job_id]
    seen: list[Event] = []

    async def read() -> None:
        async with aclosing(client.follow(job.job_id)) as events:
            async for item in events:
                seen.append(item)
                if len(seen) == 1:
                    job.say("one")
                elif len(seen) == 3:
                    job.finish()

    await asyncio.wait_for(read(), 10)
    assert seen == job.events


async def test_why_it_waits_is_told_when_it_changes(stand: Stand, client: GatewayClient) -> None:
    accepted = await client.ask("Hello")
    job = stand.jobs[accepted.job_id]
    job.waiting = "The GPU is starting."
    told = []
    async for sentence in client.waiting(job.job_id, every=0.0):
        told.append(sentence)
        if len(told) == 1:
            job.waiting = "The model is loading."
        else:
            job.say("Hello")
    assert told == ["The GPU is starting.", "The model is loading."]


async def test_who_cannot_be_told_why_it_waits_is_told_nothing(
    stand: Stand, client: GatewayClient
) -> None:
    assert [item async for item in client.waiting("job-none", every=0.0)] == []
