"""The fleet in the API: a prompt wakes it, people start, stop and view it.

The steward does everything that happens over time (`fleet.round`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from botocore.exceptions import BotoCoreError, ClientError

from aistratus_contracts.schedule import NO_SCHEDULE, Schedule
from aistratus_contracts.states import FleetState
from aistratus_router.fleet.decision import carry_out
from aistratus_router.fleet.group import Group, GroupView
from aistratus_router.log import describe, logger
from aistratus_router.ports import Ports
from aistratus_router.registry import Addresses
from aistratus_router.store.fleet import FleetStore, Seen
from aistratus_router.store.job_queue import JobQueue
from aistratus_router.store.open_jobs import OpenJobs
from aistratus_router.store.table import Table
from aistratus_router.wire.problems import no_fleet
from aistratus_router.wire.responses import FleetOut

HELD: Final = (
    "The GPU was turned off by hand; it starts with the next prompt, and this job goes on."
)


@dataclass(frozen=True, slots=True)
class Fleet:
    """The fleet; `group` is None where instances are not ours to start and stop."""

    store: FleetStore
    group: Group | None
    open_jobs: OpenJobs
    clock: Callable[[], datetime]
    idle_timeout_seconds: int
    schedule: Schedule = NO_SCHEDULE

    @classmethod
    def of(cls, ports: Ports, addresses: Addresses) -> Self:
        """The deployment's fleet."""
        table = Table(ports.dynamodb, addresses.table_name)
        name = addresses.group_name
        return cls(
            store=FleetStore(table),
            group=Group(ports.autoscaling, name) if name else None,
            open_jobs=OpenJobs(table, JobQueue(ports.sqs, addresses.queue_url)),
            clock=ports.clock,
            idle_timeout_seconds=addresses.idle_timeout_seconds,
            schedule=addresses.schedule,
        )

    def wake(self) -> None:
        """Start an instance for a waiting job; errors are only logged."""
        if self.group is None:
            return
        try:
            if not self.store.wanted().is_on and self.store.want_if_off(self.clock()):
                carry_out(self.store, self.group, is_on=True)
                logger.info("the fleet was woken", group=self.group.name)
        except (BotoCoreError, ClientError) as error:
            logger.error("waking the fleet failed; the steward will do it", **describe(error))

    def start(self) -> FleetOut:
        """Start an instance before the first prompt; refuses with 409 where there is no fleet."""
        group = self._managed()
        self.store.want(self.clock())
        # The group may want more than one; a start must not reduce that.
        if group.view().desired < 1:
            carry_out(self.store, group, is_on=True)
        return self.show()

    def stop(self) -> FleetOut:
        """Stop all instances now; refuses with 409 where there is no fleet."""
        group = self._managed()
        self.store.want_none(self.clock())
        carry_out(self.store, group, is_on=False)
        return self.show()

    def obstacle(self) -> str:
        """What keeps a worker from starting, in a sentence; empty if nothing is known."""
        if self.group is None:
            return ""
        wanted = self.store.wanted()
        return wanted.problem or (HELD if wanted.is_held else "")

    def show(self) -> FleetOut:
        """The fleet's current state."""
        now, seen = self.clock(), self.store.seen()
        depth = sum(1 for _ in self.open_jobs.oldest_first())
        if self.group is None:
            state = FleetState.RUNNING if seen.is_ready(now) else FleetState.OFF
            return FleetOut(managed=False, state=state, queue_depth=depth)
        view = self.group.view()
        state = _state(seen, view, now)
        hours = self.schedule.window(now) if seen.wanted.is_on else None
        return FleetOut(
            managed=True,
            state=state,
            queue_depth=depth,
            idle_timeout_seconds=self.idle_timeout_seconds,
            purchase=None if state is FleetState.OFF else view.purchase,
            scheduled_until=hours.ends_at if hours else None,
            problem=seen.wanted.problem or None,
        )

    def must_be_managed(self) -> None:
        """Refuse with 409 where there is no fleet."""
        self._managed()

    def _managed(self) -> Group:
        if self.group is None:
            raise no_fleet()
        return self.group


def _state(seen: Seen, view: GroupView, now: datetime) -> FleetState:
    if seen.wanted.is_on:
        # A draining worker counts as ready to the end, but its instance is no longer in service.
        has_worker = view.in_service > 0 and seen.is_ready(now)
        return FleetState.RUNNING if has_worker else FleetState.REQUESTED
    return FleetState.DRAINING if view.instances else FleetState.OFF
