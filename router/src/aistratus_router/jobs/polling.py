"""The long poll: a job's new events as soon as there are any, with few reads.

A function that waits costs as much as one that works, and an account has few of them. So a poll
waits only in a place among the readers, and each page tells when to ask again if that is known
(decision 25):

- A worker commits an answer in even steps: short ones when it has few jobs, longer ones when it has
  many. A page with steps tells when the next is due, and a reader who asks then need not wait.
- A job that is still queued after seconds waits for an instance to boot, or for others' jobs. Its
  polls are not held; the time after which to ask again grows with the wait.

In a held poll, the pause between two reads grows with the time that it has waited: an early event
is seen early, and a long wait costs few reads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from aistratus_contracts.errors import UnknownVersion
from aistratus_contracts.event import Delta, Event, StateChange, decode_event
from aistratus_contracts.states import JobState
from aistratus_router.jobs.readers import Lease, Readers
from aistratus_router.ports import utc_now
from aistratus_router.store.jobs import JobStore, LogPage
from aistratus_router.wire.problems import not_found

PAUSE_SHARE: Final = 0.1
MIN_PAUSE_SECONDS: Final = 0.03
MAX_PAUSE_RUNNING_SECONDS: Final = 0.25
MAX_PAUSE_QUEUED_SECONDS: Final = 0.5
# Two steps of an answer give its pace. The next is visible a commit's time after it is due.
STEPS_OF_A_PACE: Final = 2
COMMIT_ALLOWANCE_SECONDS: Final = 0.02
MAX_STEP_SECONDS: Final = 1.0
# For how long after a prompt its polls are held while it is queued: a free worker takes it by then.
HELD_QUEUED_SECONDS: Final = 2.0
# A queued job's next poll, as a share of its wait so far. The shortest is as long as the longest
# pause between two reads: nothing is seen later than by a held poll, until the share exceeds it.
QUEUED_RETRY_SHARE: Final = 0.02
MIN_QUEUED_RETRY_SECONDS: Final = MAX_PAUSE_QUEUED_SECONDS
MAX_QUEUED_RETRY_SECONDS: Final = 5.0
# When a poll that got no place may ask again: when the next step is due; if that is late, after as
# long as it has been late; within these limits, and at the upper one if nothing is known.
MIN_UNHELD_RETRY_SECONDS: Final = 0.1
UNHELD_RETRY_SECONDS: Final = 1.0
# A poll gives up with this much of the function's time left, to send its answer.
RESERVE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class EventsPage:
    """Events as JSON texts; `done`: the job's last event is in this page or before it.

    `retry_after`: ask again after this many seconds; sooner, there is probably nothing new. On a
    page without events the poll was not held.
    """

    job_id: str
    state: JobState
    events: list[str]
    next_after: int
    done: bool
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Poller:
    """Reads one of the reader's jobs until there are new events or the time is up."""

    jobs: JobStore
    readers: Readers
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    clock: Callable[[], datetime] = utc_now

    def events(
        self, job_id: str, after: int, wait_seconds: float, left_seconds: float
    ) -> EventsPage:
        """Events after `after`, if any come within `wait_seconds`; refuses with 404 or 429.

        `left_seconds` is how long the function may still run.
        """
        began = self.monotonic()
        deadline = began + min(wait_seconds, left_seconds - RESERVE_SECONDS)
        # The first of several reads also takes the reader's last events: they give the pace.
        since = max(0, after - STEPS_OF_A_PACE) if began < deadline else after
        log: list[tuple[int, str]] = []
        lease: Lease | None = None
        try:
            while True:
                found = self.jobs.log_after(job_id, since)
                if found is None or found.record.job.owner != self.readers.owner:
                    raise not_found("job")
                page, since = _page(found, after), after
                log = [*log, *found.events][-STEPS_OF_A_PACE:]
                due = seconds_until_due(log, self.clock())
                now = self.monotonic()
                if page.events and due is not None and due > 0 and not page.done:
                    return replace(page, retry_after=round(due, 3))
                if page.events or page.done or now >= deadline:
                    return page
                if page.state is JobState.QUEUED:
                    waited = (self.clock() - found.record.job.created_at).total_seconds()
                    if waited >= HELD_QUEUED_SECONDS:
                        return replace(page, retry_after=queued_retry_seconds(waited))
                if lease is None:
                    lease = self.readers.enter()
                    if lease is None:
                        return replace(page, retry_after=unheld_retry_seconds(due))
                pause = max(pause_seconds(page.state, now - began), due or 0.0)
                again_at = min(now + pause, deadline)
                self.sleep(max(0.0, again_at - self.monotonic()))
        finally:
            if lease is not None:
                self.readers.leave(lease)


def seconds_until_due(log: Sequence[tuple[int, str]], now: datetime) -> float | None:
    """How long until a log's next step is visible, negative if it is late.

    None unless its last two events are steps.
    """
    found = [_event(text) for _, text in log[-STEPS_OF_A_PACE:]]
    steps = [event for event in found if event is not None and isinstance(event.body, Delta)]
    if len(steps) < STEPS_OF_A_PACE:
        return None
    pace = (steps[1].at - steps[0].at).total_seconds() + COMMIT_ALLOWANCE_SECONDS
    passed = (now - steps[1].at).total_seconds()
    # Whatever the two clocks say, the next step is at most one step away.
    return min(pace - passed, pace, MAX_STEP_SECONDS)


def unheld_retry_seconds(due: float | None) -> float:
    """When a poll without a place may ask again, if the next step is `due` by then or is late."""
    if due is None:
        return UNHELD_RETRY_SECONDS
    wait = due if due > 0 else -due
    return round(min(max(wait, MIN_UNHELD_RETRY_SECONDS), UNHELD_RETRY_SECONDS), 3)


def _event(text: str) -> Event | None:
    """An event; None for one that this release cannot read, though the caller may."""
    try:
        return decode_event(text)
    except UnknownVersion:
        return None


def pause_seconds(state: JobState, waited_seconds: float) -> float:
    """How long to wait before the next read."""
    is_queued = state is JobState.QUEUED
    most = MAX_PAUSE_QUEUED_SECONDS if is_queued else MAX_PAUSE_RUNNING_SECONDS
    return min(max(waited_seconds * PAUSE_SHARE, MIN_PAUSE_SECONDS), most)


def queued_retry_seconds(waited_seconds: float) -> float:
    """When to ask again for a job that has been queued for so long; in hundredths of a second."""
    share = round(waited_seconds * QUEUED_RETRY_SHARE, 2)
    return min(max(share, MIN_QUEUED_RETRY_SECONDS), MAX_QUEUED_RETRY_SECONDS)


def _page(found: LogPage, after: int) -> EventsPage:
    job, cursor = found.record.job, found.record.cursor
    state = cursor.state
    events = [(seq, text) for seq, text in found.events if seq > after]
    next_after = events[-1][0] if events else after
    done = state.is_final and next_after >= cursor.next_seq - 1
    if events and not done:
        # The log may be ahead of the job's item, which was read a moment later or earlier.
        last = _event(events[-1][1])
        if last is not None and isinstance(last.body, StateChange):
            state = last.body.state
            done = state.is_final
    return EventsPage(job.job_id, state, [text for _, text in events], next_after, done)
