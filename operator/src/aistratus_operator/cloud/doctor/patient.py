"""The account and the deployment that are looked at; each fact is asked for once."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from aistratus_contracts.registry import Parameter
from aistratus_operator.cloud.aws import Account, sign_in
from aistratus_operator.cloud.environments import Environment
from aistratus_operator.cloud.registry import open_registry, read_all
from aistratus_operator.errors import OperatorError
from aistratus_router.fleet.control import Fleet
from aistratus_router.fleet.group import Group, GroupView
from aistratus_router.ports import Ports, utc_now
from aistratus_router.store.fleet import Seen


@dataclass(frozen=True)
class Patient:
    """An environment, and the image that somebody means to deploy; empty for none."""

    environment: Environment
    image_id: str = ""

    @cached_property
    def account(self) -> Account:
        """Whose credentials these are; raises an `OperatorError`."""
        return sign_in(self.environment.region)

    def client(self, service: str) -> Any:
        """A boto3 client for that service."""
        return self.account.client(service)

    @cached_property
    def now(self) -> datetime:
        """The time of the examination."""
        return utc_now()

    @cached_property
    def registry(self) -> dict[Parameter, str]:
        """The ids of what is deployed; empty if nothing is."""
        return read_all(self.account, self.environment)

    @cached_property
    def deploy_again(self) -> str:
        """The command that mends what a deploy makes."""
        return f"make deploy ENV={self.environment.name} REGION={self.account.region}"

    @cached_property
    def described_group(self) -> dict[str, Any]:
        """What Auto Scaling says of the group; raises an `OperatorError` if there is none."""
        name = self.registry[Parameter.FLEET_GROUP]
        found = self.client("autoscaling").describe_auto_scaling_groups(
            AutoScalingGroupNames=[name]
        )["AutoScalingGroups"]
        if not found:
            raise OperatorError(
                f"There is no Auto Scaling group {name}. Make it again: {self.deploy_again}"
            )
        group: dict[str, Any] = found[0]
        return group

    @cached_property
    def fleet(self) -> Fleet:
        """The fleet, as the router and the steward see it."""
        ports = Ports.from_environment(open_registry(self.account, self.environment))
        return Fleet.of(ports, ports.registry.read())

    @cached_property
    def group(self) -> Group:
        """The group, as the steward acts on it."""
        group = self.fleet.group
        assert group is not None  # noqa: S101  a deployment has a fleet
        return group

    @cached_property
    def view(self) -> GroupView:
        """The group's state."""
        return self.group.view()

    @cached_property
    def seen(self) -> Seen:
        """The fleet's part of the table."""
        return self.fleet.store.seen()

    @cached_property
    def open_jobs(self) -> int:
        """How many jobs have not ended."""
        return sum(1 for _ in self.fleet.open_jobs.oldest_first())
