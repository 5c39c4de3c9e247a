"""The steward's check of the fleet, once a minute: off if idle or stuck, on if a wake failed.

And on in the hours of a schedule, and off without waiting if an instance is from before the last
deployment. The table says whether instances are wanted (`store.fleet`). A round decides whether
that should change, then makes the group follow. Two rounds at once do no harm: a change is refused
if the state that it is based on has changed. Decisions 17 and 26 give the reasons.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum, auto
from typing import Final

from aistratus_contracts.schedule import NO_SCHEDULE, Schedule, Window
from aistratus_contracts.states import Purchase
from aistratus_router.fleet.decision import carry_out
from aistratus_router.fleet.group import Group, GroupView
from aistratus_router.fleet.shortage import is_shortage, sentence
from aistratus_router.log import logger
from aistratus_router.store.fleet import FleetStore, Seen, Wanted
from aistratus_router.store.open_jobs import OpenJobs

# An instance boots, loads its model and gives a sign of life within minutes. One that has not
# after this time never will, and meanwhile it costs money.
STUCK_AFTER: Final = timedelta(minutes=30)
# An instance without a usable card turns itself off, and Auto Scaling replaces it, as it does each
# that ends before its worker is ready. The next may be better; after so many in a row the cause is
# elsewhere.
MAX_TRIES: Final = 3
# An open job that a worker is on shows a sign at least this often: the steward looks for one after
# 300 s of silence, and records it within another round.
SIGN_WITHIN: Final = timedelta(seconds=600)
# The difference between Auto Scaling's clock and ours.
CLOCK_SKEW: Final = timedelta(seconds=5)

STUCK: Final = (
    "An instance was on for 30 minutes without a worker that was ready, so it was turned off. "
    "Look at the instance's log, then start the fleet or send a prompt to try again."
)

TRYING: Final = (
    "The last instance ended before its worker was ready, as it does without a usable GPU; "
    "another one is being tried."
)
REFUSED: Final = (
    "The GPU instance cannot answer. Without a usable card it turns itself off within minutes, and "
    "another one is tried. It said: "
)
NONE_USABLE: Final = (
    "Three instances in a row ended before a worker was ready, as they do if they find no usable "
    "GPU, so no other is started. Look at their logs, then start the fleet or send a prompt to try "
    "again."
)


class Done(StrEnum):
    """What a round did to the fleet, for the counts that the steward returns."""

    NOTHING = ""
    WOKEN = auto()
    STOPPED = auto()  # idle, or still on though not wanted
    STUCK = auto()
    NONE_USABLE = auto()  # one instance after another ended before a worker was ready
    ON_DEMAND = auto()  # Spot had no instance


@dataclass(frozen=True, slots=True)
class FleetRound:
    """One check."""

    store: FleetStore
    group: Group
    open_jobs: OpenJobs
    clock: Callable[[], datetime]
    idle_timeout_seconds: int
    schedule: Schedule = NO_SCHEDULE

    def run(self) -> Done:
        """Decide and act; raises what AWS raises."""
        now, view, seen = self.clock(), self.group.view(), self.store.seen()
        if seen.wanted.is_on:
            done = self._while_on(seen, view, now)
        else:
            done = self._while_off(seen.wanted, view, now)
        if done is not Done.NOTHING:
            logger.info("the fleet was changed", group=self.group.name, done=done.value)
        return done

    def _while_off(self, wanted: Wanted, view: GroupView, now: datetime) -> Done:
        if not wanted.is_held and self._is_waited_for(now):
            return self._wake(wanted, now)
        hours = self.schedule.window(now)
        # An earlier instance ends first: there may be a quota for one only. A stop, or a fleet that
        # did not start, lasts until the next hours begin.
        if hours is not None and not view.instances and not _is_held_in(hours, wanted):
            return self._wake(wanted, now)
        return self._turn_off(view)

    def _while_on(self, seen: Seen, view: GroupView, now: datetime) -> Done:
        wanted = self._noted(seen, view, now)
        lost = wanted.tried - view.staying
        refusal = seen.refusal(max(wanted.changed_at, wanted.ready_at) - CLOCK_SKEW)
        if len(lost) >= MAX_TRIES:
            why = f"{NONE_USABLE} The last one said: {refusal}" if refusal else NONE_USABLE
            if not self.store.want_none_since(wanted, now, is_held=True, problem=why):
                return Done.NOTHING
            logger.error("no instance had a worker", group=self.group.name, tried=sorted(lost))
            self._turn_off(view)
            return Done.NONE_USABLE
        if view.instances and now - _alive_at(wanted) >= STUCK_AFTER:
            if not self.store.want_none_since(wanted, now, is_held=True, problem=STUCK):
                return Done.NOTHING
            logger.error("an instance is stuck and is turned off", group=self.group.name)
            self._turn_off(view)
            return Done.STUCK
        if self._is_idle(wanted, view, now):
            return self._idle(wanted, view, now)
        if view.desired < 1:
            carry_out(self.store, self.group, is_on=True)
            return Done.WOKEN
        if lost or view.instances:
            problem = REFUSED + refusal if refusal else TRYING if lost else ""
            if wanted.problem != problem:
                self.store.note(wanted, problem=problem)
        if view.instances:
            return Done.NOTHING
        return self._without_instance(wanted, view, now)

    def _is_idle(self, wanted: Wanted, view: GroupView, now: datetime) -> bool:
        """Whether nothing is to do, and has not been for long enough."""
        if view.is_outdated:
            return wanted.active_at < now
        if self.schedule.window(now) is not None:
            return False
        return now - max(wanted.changed_at, wanted.active_at) >= self._idle_timeout

    def _noted(self, seen: Seen, view: GroupView, now: datetime) -> Wanted:
        """Record for later rounds when there was last work, and when last a ready worker.

        And, until there is one, which instances have been tried.

        A worker's own item does not keep that: a worker deletes it when it drains, and overwrites
        it when it loses its engine.
        """
        wanted = seen.wanted
        active_at = now if self._has_work(seen, now) else wanted.active_at
        is_ready = seen.is_ready(now)
        ready_at = now if is_ready else wanted.ready_at
        tried = frozenset() if is_ready else wanted.tried | view.staying
        noted = replace(wanted, active_at=active_at, ready_at=ready_at, tried=tried)
        if noted != wanted:
            names = " ".join(sorted(tried))
            self.store.note(wanted, active_at=active_at, ready_at=ready_at, tried=names)
        return noted

    def _idle(self, wanted: Wanted, view: GroupView, now: datetime) -> Done:
        if not self.store.want_none_since(wanted, now):
            return Done.NOTHING
        # A prompt that came before this write saw the fleet on, and did not wake it.
        if self._is_waited_for(now):
            return self._wake(replace(wanted, is_on=False, changed_at=now), now)
        self._turn_off(view)
        return Done.STOPPED

    def _wake(self, wanted: Wanted, now: datetime) -> Done:
        if not self.store.want_since(wanted, now):
            return Done.NOTHING
        carry_out(self.store, self.group, is_on=True)
        return Done.WOKEN

    def _turn_off(self, view: GroupView) -> Done:
        done = Done.NOTHING
        if view.desired:
            carry_out(self.store, self.group, is_on=False)
            done = Done.STOPPED
        if view.may_switch and view.purchase is Purchase.ON_DEMAND:
            # Only while the group is off: otherwise it would replace its instance.
            self.group.buy(Purchase.SPOT, view)
        return done

    def _without_instance(self, wanted: Wanted, view: GroupView, now: datetime) -> Done:
        since = max(wanted.changed_at, wanted.switched_at) - CLOCK_SKEW
        failure = self.group.last_failure(since)
        if not failure:
            return Done.NOTHING
        logger.warning("no instance could be started", purchase=view.purchase, failure=failure)
        if view.may_switch and view.purchase is Purchase.SPOT and is_shortage(failure):
            self.group.buy(Purchase.ON_DEMAND, view)
            # Past the skew, so that no failure from before the switch counts as one after it.
            self.store.note(wanted, switched_at=now + CLOCK_SKEW, shortage_at=now, problem="")
            return Done.ON_DEMAND
        self.store.note(wanted, shortage_at=now, problem=sentence(failure))
        return Done.NOTHING

    def _has_work(self, seen: Seen, now: datetime) -> bool:
        """Whether a job runs or waits.

        A ready worker takes a waiting job within seconds. So if a worker is ready, a job without a
        recent sign will not be taken, and is no reason to stay on.
        """
        newest = self._newest_sign()
        return newest is not None and (not seen.is_ready(now) or self._is_fresh(newest, now))

    def _is_waited_for(self, now: datetime) -> bool:
        """Whether there is an open job that a worker would take."""
        newest = self._newest_sign()
        return newest is not None and self._is_fresh(newest, now)

    def _newest_sign(self) -> datetime | None:
        return max((entry.sign_at for entry in self.open_jobs.oldest_first()), default=None)

    def _is_fresh(self, sign_at: datetime, now: datetime) -> bool:
        return now - sign_at < max(self._idle_timeout, SIGN_WITHIN)

    @property
    def _idle_timeout(self) -> timedelta:
        return timedelta(seconds=self.idle_timeout_seconds)


def _is_held_in(hours: Window, wanted: Wanted) -> bool:
    return wanted.is_held and wanted.changed_at >= hours.begins_at


def _alive_at(wanted: Wanted) -> datetime:
    """The time since which a worker should be ready.

    It is when one was asked for, when AWS last had no instance or when one was last ready,
    whichever came last.
    """
    return max(wanted.changed_at, wanted.shortage_at, wanted.ready_at)
