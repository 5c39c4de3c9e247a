"""The fleet as the API has it: woken by a prompt, started and stopped by hand, shown.

Everything that goes on over time is the steward's (`fleet_round`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from botocore.exceptions import BotoCoreError, ClientError

from aistratus_contracts.states import FleetState
from aistratus_router.fleet_store import FleetStore, Seen, settle
from aistratus_router.group import Group, GroupView
from aistratus_router.log import describe, logger
from aistratus_router.open_jobs import OpenJobs
from aistratus_router.ports import Ports
from aistratus_router.problems import no_fleet
from aistratus_router.queue import JobQueue
from aistratus_router.registry import Addresses
from aistratus_router.responses import FleetOut
from aistratus_router.table_access import Table

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

    @classmethod
    def of(cls, ports: Ports, addresses: Addresses) -> Self:
        """That of the deployment."""
        table = Table(ports.dynamodb, addresses.table_name)
        name = addresses.group_name
        return cls(
            store=FleetStore(table),
            group=Group(ports.autoscaling, name) if name else None,
            open_jobs=OpenJobs(table, JobQueue(ports.sqs, addresses.queue_url)),
            clock=ports.clock,
            idle_timeout_seconds=addresses.idle_timeout_seconds,
        )

    def wake(self) -> None:
        """There is a job: see that an instance comes. What goes wrong is only logged."""
        if self.group is None:
            return
        try:
            if not self.store.wanted().is_on and self.store.want_if_off(self.clock()):
                settle(self.store, self.group, is_on=True)
                logger.info("the fleet is woken", group=self.group.name)
        except (BotoCoreError, ClientError) as error:
            logger.error("the fleet could not be woken; the steward will do it", **describe(error))

    def start(self) -> FleetOut:
        """Have an instance before the first prompt; refuses with 409 where there is no fleet."""
        group = self._managed()
        self.store.want(self.clock())
        # More than one may be there: that is no reason to have fewer.
        if group.view().desired < 1:
            settle(self.store, group, is_on=True)
        return self.show()

    def stop(self) -> FleetOut:
        """Have no instance, now; refuses with 409 where there is no fleet."""
        group = self._managed()
        self.store.want_none(self.clock())
        settle(self.store, group, is_on=False)
        return self.show()

    def obstacle(self) -> str:
        """What keeps a worker from coming, in a sentence; empty if nothing is known to."""
        if self.group is None:
            return ""
        wanted = self.store.wanted()
        return wanted.problem or (HELD if wanted.is_held else "")

    def show(self) -> FleetOut:
        """How the fleet stands."""
        now, seen = self.clock(), self.store.seen()
        depth = sum(1 for _ in self.open_jobs.oldest_first())
        if self.group is None:
            state = FleetState.RUNNING if seen.is_ready(now) else FleetState.OFF
            return FleetOut(managed=False, state=state, queue_depth=depth)
        view = self.group.view()
        state = _state(seen, view, now)
        return FleetOut(
            managed=True,
            state=state,
            queue_depth=depth,
            idle_timeout_seconds=self.idle_timeout_seconds,
            purchase=None if state is FleetState.OFF else view.purchase,
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
        # A worker that drains is ready to the last; its instance is not in service any more.
        has_worker = view.in_service > 0 and seen.is_ready(now)
        return FleetState.RUNNING if has_worker else FleetState.REQUESTED
    return FleetState.DRAINING if view.instances else FleetState.OFF
