"""The steward's look at the fleet, once a minute: off when idle or stuck, on when woken in vain.

What is wanted stands in the table (`fleet_store`); a round decides whether that should change,
and then sees that the group does it. Two rounds at once do no harm: a change is refused if what
it rests on has changed. Decision 17 has the reasons.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum, auto
from typing import Final

from aistratus_router.fleet_store import FleetStore, Seen, Wanted, settle
from aistratus_router.group import Group, GroupView, Purchase
from aistratus_router.lack import is_lack, sentence
from aistratus_router.log import logger
from aistratus_router.open_jobs import OpenJobs

# An instance boots, loads its model and gives a sign of life in minutes. One that does not, for
# so long, will not, and costs money meanwhile.
STUCK_AFTER: Final = timedelta(minutes=30)
# An open job has a sign at least this often if somebody works on it: the steward looks after 300 s
# without one, and a round later it is written down.
SIGN_WITHIN: Final = timedelta(seconds=600)
# Auto Scaling's clock and ours.
CLOCK_SKEW: Final = timedelta(seconds=5)

STUCK: Final = (
    "An instance was on for 30 minutes without a worker that was ready, so it was turned off. "
    "Look at the instance's log, then start the fleet or send a prompt to try again."
)


class Done(StrEnum):
    """What a round did about the fleet, for the count that the steward returns."""

    NOTHING = ""
    WOKEN = auto()
    STOPPED = auto()  # idle, or not wanted and still on
    STUCK = auto()
    ON_DEMAND = auto()  # Spot had none


@dataclass(frozen=True, slots=True)
class FleetRound:
    """One look."""

    store: FleetStore
    group: Group
    open_jobs: OpenJobs
    clock: Callable[[], datetime]
    idle_timeout_seconds: int

    def run(self) -> Done:
        """Decide, and do it; raises what AWS raises."""
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
        return self._turn_off(view)

    def _while_on(self, seen: Seen, view: GroupView, now: datetime) -> Done:
        wanted = self._noted(seen, now)
        if view.instances and now - _alive_at(wanted) >= STUCK_AFTER:
            if not self.store.want_none_since(wanted, now, is_held=True, problem=STUCK):
                return Done.NOTHING
            logger.error("an instance is stuck, and is turned off", group=self.group.name)
            self._turn_off(view)
            return Done.STUCK
        if now - max(wanted.changed_at, wanted.active_at) >= self._idle_timeout:
            return self._idle(wanted, view, now)
        if view.desired < 1:
            settle(self.store, self.group, is_on=True)
            return Done.WOKEN
        if view.instances:
            if wanted.problem:
                self.store.note(wanted, problem="")
            return Done.NOTHING
        return self._without_instance(wanted, view, now)

    def _noted(self, seen: Seen, now: datetime) -> Wanted:
        """Write down what there is to do and who is there, for the rounds to come.

        A worker's own item does not last: who drains takes it away, who loses his engine says so.
        """
        wanted = seen.wanted
        active_at = now if self._has_work(seen, now) else wanted.active_at
        ready_at = now if seen.is_ready(now) else wanted.ready_at
        if (active_at, ready_at) != (wanted.active_at, wanted.ready_at):
            self.store.note(wanted, active_at=active_at, ready_at=ready_at)
        return replace(wanted, active_at=active_at, ready_at=ready_at)

    def _idle(self, wanted: Wanted, view: GroupView, now: datetime) -> Done:
        if not self.store.want_none_since(wanted, now):
            return Done.NOTHING
        # A prompt that came before that was written saw a fleet that is on, and woke nobody.
        if self._is_waited_for(now):
            return self._wake(replace(wanted, is_on=False, changed_at=now), now)
        self._turn_off(view)
        return Done.STOPPED

    def _wake(self, wanted: Wanted, now: datetime) -> Done:
        if not self.store.want_since(wanted, now):
            return Done.NOTHING
        settle(self.store, self.group, is_on=True)
        return Done.WOKEN

    def _turn_off(self, view: GroupView) -> Done:
        done = Done.NOTHING
        if view.desired:
            settle(self.store, self.group, is_on=False)
            done = Done.STOPPED
        if view.may_switch and view.purchase is Purchase.ON_DEMAND:
            # Only now: a group that is on would replace its instance.
            self.group.buy(Purchase.SPOT, view)
        return done

    def _without_instance(self, wanted: Wanted, view: GroupView, now: datetime) -> Done:
        since = max(wanted.changed_at, wanted.switched_at) - CLOCK_SKEW
        failure = self.group.last_failure(since)
        if not failure:
            return Done.NOTHING
        logger.warning("no instance could be started", purchase=view.purchase, failure=failure)
        if view.may_switch and view.purchase is Purchase.SPOT and is_lack(failure):
            self.group.buy(Purchase.ON_DEMAND, view)
            # Past the skew: a failure of before must not count as one of after.
            self.store.note(wanted, switched_at=now + CLOCK_SKEW, lacking_at=now, problem="")
            return Done.ON_DEMAND
        self.store.note(wanted, lacking_at=now, problem=sentence(failure))
        return Done.NOTHING

    def _has_work(self, seen: Seen, now: datetime) -> bool:
        """Whether something runs or waits.

        A worker that is ready takes what waits within seconds. A job that has no sign for long
        although there is one will not be taken, and is no reason to stay on.
        """
        newest = self._newest_sign()
        return newest is not None and (not seen.is_ready(now) or self._is_fresh(newest, now))

    def _is_waited_for(self, now: datetime) -> bool:
        """Whether there is an open job that somebody would take."""
        newest = self._newest_sign()
        return newest is not None and self._is_fresh(newest, now)

    def _newest_sign(self) -> datetime | None:
        return max((entry.sign_at for entry in self.open_jobs.oldest_first()), default=None)

    def _is_fresh(self, sign_at: datetime, now: datetime) -> bool:
        return now - sign_at < max(self._idle_timeout, SIGN_WITHIN)

    @property
    def _idle_timeout(self) -> timedelta:
        return timedelta(seconds=self.idle_timeout_seconds)


def _alive_at(wanted: Wanted) -> datetime:
    """From when on it is strange that no worker is ready.

    It was asked for, could not be had, or was there.
    """
    return max(wanted.changed_at, wanted.lacking_at, wanted.ready_at)
