"""The long poll: new events of a job as soon as there are any, for little money.

The pause between two looks grows with the time that this request has waited. An answer that
comes soon is seen soon, and one that takes long costs few reads; a queued job, which may wait
for a machine to boot, is looked at least often.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aistratus_contracts.event import StateChange, decode_event
from aistratus_contracts.states import JobState
from aistratus_router.access import Caller
from aistratus_router.job_store import JobStore, LogPage
from aistratus_router.problems import not_found

PAUSE_SHARE: Final = 0.1
MIN_PAUSE_SECONDS: Final = 0.03
MAX_PAUSE_RUNNING_SECONDS: Final = 0.08
MAX_PAUSE_QUEUED_SECONDS: Final = 0.5
# What is left of the function's time when a poll gives up, for the answer's own way.
RESERVE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class EventsPage:
    """Events as JSON texts; `done`: the job's last event is in this page or before it."""

    job_id: str
    state: JobState
    events: list[str]
    next_after: int
    done: bool


@dataclass(frozen=True, slots=True)
class Poller:
    """Looks at one job until there is news or the time is over."""

    jobs: JobStore
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]

    def events(
        self, caller: Caller, job_id: str, after: int, wait_seconds: float, left_seconds: float
    ) -> EventsPage:
        """Events after `after`, the first within `wait_seconds`; refuses with 404.

        `left_seconds` is what the function may still run.
        """
        began = self.monotonic()
        deadline = began + min(wait_seconds, left_seconds - RESERVE_SECONDS)
        while True:
            found = self.jobs.log_after(job_id, after)
            if found is None or found.record.job.owner != caller.owner:
                raise not_found("job")
            page = _page(found, after)
            now = self.monotonic()
            if page.events or page.done or now >= deadline:
                return page
            pause = pause_seconds(page.state, now - began)
            self.sleep(min(pause, deadline - now))


def pause_seconds(state: JobState, waited_seconds: float) -> float:
    """How long to wait before the next look."""
    is_queued = state is JobState.QUEUED
    most = MAX_PAUSE_QUEUED_SECONDS if is_queued else MAX_PAUSE_RUNNING_SECONDS
    return min(max(waited_seconds * PAUSE_SHARE, MIN_PAUSE_SECONDS), most)


def _page(found: LogPage, after: int) -> EventsPage:
    job, cursor = found.record.job, found.record.cursor
    state = cursor.state
    next_after = found.events[-1][0] if found.events else after
    done = state.is_final and next_after >= cursor.next_seq - 1
    if found.events and not done:
        # The log may be ahead of the job's item, which was read a moment later or earlier.
        last = decode_event(found.events[-1][1]).body
        if isinstance(last, StateChange):
            state = last.state
            done = state.is_final
    return EventsPage(job.job_id, state, [text for _, text in found.events], next_after, done)
