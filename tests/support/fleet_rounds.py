"""A fleet as its tests drive and see it, and what AWS says when it has no instance."""

from typing import Any

from aistratus_contracts.event import StateChange
from aistratus_contracts.states import FinishReason, JobState
from support.fleet_group import MemoryGroup
from support.gateway_events import access_claims
from support.router_api import Api

RUNNING = StateChange(JobState.RUNNING)
SUCCEEDED = StateChange(JobState.SUCCEEDED, FinishReason.STOP)
OPERATOR = access_claims(scope="aistratus/operate")

# As AWS words them in a scaling activity's StatusMessage.
NO_SPOT = (
    "Could not launch Spot Instances. UnfulfillableCapacity - Unable to fulfill capacity due to "
    "your request configuration. Please adjust your request and try again. Launching EC2 instance "
    "failed."
)
NO_SPOT_QUOTA = (
    "Could not launch Spot Instances. MaxSpotInstanceCountExceeded - Max spot instance count "
    "exceeded. Launching EC2 instance failed."
)
NO_CAPACITY = (
    "Could not launch On-Demand Instances. InsufficientInstanceCapacity - We currently do not have "
    "sufficient g6.xlarge capacity in the Availability Zone you requested (eu-central-1a). "
    "Launching EC2 instance failed."
)
NO_QUOTA = (
    "Could not launch On-Demand Instances. VcpuLimitExceeded - You have requested more vCPU "
    "capacity than your current vCPU limit of 0 allows for the instance bucket that the specified "
    "instance type belongs to. Launching EC2 instance failed."
)
NO_IMAGE = "The image id '[ami-0123456789abcdef0]' does not exist. Launching EC2 instance failed."


def answer(api: Api, job_id: str) -> None:
    api.work(job_id, RUNNING, take=True)
    api.work(job_id, SUCCEEDED, text="Yes.")


def minutes(api: Api, number: int) -> list[dict[str, int]]:
    """The steward's rounds, one a minute."""
    rounds = []
    for _ in range(number):
        api.time.sleep(60)
        rounds.append(api.steward())
    return rounds


def shown(api: Api) -> Any:
    reply = api.call("GET", "/fleet")
    assert reply.status == 200, reply.text
    return reply.json


def state(api: Api) -> str:
    return str(shown(api)["state"])


def group(api: Api) -> MemoryGroup:
    found = api.autoscaling._client
    assert isinstance(found, MemoryGroup)
    return found


def desired(api: Api) -> int:
    found = api.autoscaling._client.describe_auto_scaling_groups(
        AutoScalingGroupNames=[api.registry.addresses.group_name]
    )
    return int(found["AutoScalingGroups"][0]["DesiredCapacity"])
