"""The outside world: AWS, the clock, sleep. Made once per process; tests bring their own."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Protocol

import boto3
from botocore.config import Config

from aistratus_router.registry import Registry, SsmRegistry
from aistratus_router.settings import Settings
from aistratus_router.user_limits import UserLimits

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

# AWS answers these calls in milliseconds; the gateway gives up after 30 s. botocore's standard
# mode retries throttling and network errors, with jitter.
CLIENT_CONFIG: Final = Config(
    connect_timeout=1,
    read_timeout=4,
    retries={"mode": "standard", "total_max_attempts": 3},
    # botocore would build its own long user agent again for each call.
    user_agent="aistratus-router",
)


def utc_now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


class AutoScaling(Protocol):
    """The part of boto3's Auto Scaling client that we use."""

    def describe_auto_scaling_groups(self, *, AutoScalingGroupNames: list[str]) -> Any:  # noqa: N803
        """The state of groups."""

    def describe_scaling_activities(
        self,
        *,
        AutoScalingGroupName: str,  # noqa: N803
        MaxRecords: int,  # noqa: N803
    ) -> Any:
        """A group's latest activities, newest first."""

    def set_desired_capacity(
        self,
        *,
        AutoScalingGroupName: str,  # noqa: N803
        DesiredCapacity: int,  # noqa: N803
        HonorCooldown: bool,  # noqa: N803
    ) -> Any:
        """Set how many instances a group should have."""

    def update_auto_scaling_group(
        self,
        *,
        AutoScalingGroupName: str,  # noqa: N803
        MixedInstancesPolicy: Any,  # noqa: N803
    ) -> Any:
        """Change a group; what is not named stays the same."""


@dataclass(frozen=True, slots=True)
class Ports:
    """How the router reaches the outside world.

    `autoscaling` creates its client on the first call: most processes never need it, nor does a
    deployment without a fleet.
    """

    dynamodb: "DynamoDBClient"
    sqs: "SQSClient"
    registry: Registry
    autoscaling: Callable[[], AutoScaling]
    clock: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    limits: UserLimits = field(default_factory=UserLimits)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Ports":
        """AWS, as the environment describes it; opens no connection yet."""
        settings = Settings.from_environment(environ)
        # Lambda sets AWS_REGION; boto3 itself reads only AWS_DEFAULT_REGION.
        session = boto3.session.Session(region_name=environ.get("AWS_REGION"))

        @cache
        def autoscaling() -> AutoScaling:
            return session.client("autoscaling", config=CLIENT_CONFIG)  # type: ignore[no-any-return]

        # A client added here needs its service in `services` too, for the Lambda package.
        return cls(
            dynamodb=session.client("dynamodb", config=CLIENT_CONFIG),
            sqs=session.client("sqs", config=CLIENT_CONFIG),
            registry=SsmRegistry(session.client("ssm", config=CLIENT_CONFIG), settings.registry),
            autoscaling=autoscaling,
            limits=settings.limits,
        )
