"""The GPU by hand: show, start, stop. As the API's routes do, but with AWS credentials.

So the person who pays for it can turn it off without being a user who can sign in.
"""

from typing import Final

from aistratus_contracts.states import FleetState
from aistratus_operator.cloud.aws import Account
from aistratus_operator.cloud.environments import Environment
from aistratus_operator.cloud.registry import open_registry
from aistratus_router.fleet.control import Fleet
from aistratus_router.ports import Ports
from aistratus_router.wire.responses import FleetOut

_STATES: Final = {
    FleetState.OFF: "no GPU is on",
    FleetState.REQUESTED: "a GPU is on its way",
    FleetState.RUNNING: "a GPU is on and ready",
    FleetState.DRAINING: "the GPU is going off",
}


def fleet_of(account: Account, environment: Environment) -> Fleet:
    """The fleet of an environment; raises an `OperatorError` if there is none."""
    ports = Ports.from_environment(open_registry(account, environment))
    return Fleet.of(ports, ports.registry.read())


def told(name: str, fleet: FleetOut) -> str:
    """The fleet's status, for a person."""
    jobs = {0: "no job is", 1: "one job is"}.get(fleet.queue_depth, f"{fleet.queue_depth} jobs are")
    bought = f", bought {fleet.purchase}" if fleet.purchase else ""
    idle, until = fleet.idle_timeout_seconds, fleet.scheduled_until
    turned_off = f"It goes off after {idle} seconds without work. " if idle else ""
    if until is not None:
        turned_off = f"The schedule keeps it on until {until.astimezone():%H:%M %Z}. "
    return (
        f"{name}: {_STATES[fleet.state]}{bought}, and {jobs} open. {turned_off}"
        f"{fleet.problem or ''}"
    ).rstrip()
