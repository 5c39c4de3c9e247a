"""The Auto Scaling group of the workers' instances, and the few calls that we make.

Source: AWS, "Amazon EC2 Auto Scaling API Reference" (SetDesiredCapacity, UpdateAutoScalingGroup,
DescribeAutoScalingGroups, DescribeScalingActivities).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from aistratus_contracts.states import Purchase
from aistratus_router.errors import Misconfigured
from aistratus_router.ports import AutoScaling

# Enough to see what became of the last try in all of a region's zones.
ACTIVITIES: Final = 10
# The statuses of activities that have ended; the others may still succeed.
_ENDED: Final = {"Successful", "Failed", "Cancelled"}


@dataclass(frozen=True, slots=True)
class GroupView:
    """The group's state.

    `in_service` counts the instances that are neither starting nor stopping. `may_switch`: the
    group buys Spot unless we tell it to buy on demand. `distribution` is how it buys, in AWS's
    terms. `staying` are the ids of the instances that are not on their way out. `is_outdated`: one
    of them was made from an earlier version of the launch template, as before a new image.
    """

    desired: int
    instances: int
    in_service: int
    purchase: Purchase
    may_switch: bool
    distribution: Mapping[str, Any]
    staying: frozenset[str] = frozenset()
    is_outdated: bool = False


class Group:
    """One group, by its name."""

    def __init__(self, client: Callable[[], AutoScaling], name: str) -> None:
        self._client = client
        self.name = name

    def view(self) -> GroupView:
        """The group's state now; raises `Misconfigured` if there is no such group."""
        found = self._client().describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])
        groups = found["AutoScalingGroups"]
        if not groups:
            raise Misconfigured(
                f"There is no Auto Scaling group {self.name}; apply the deployment again."
            )
        group = groups[0]
        policy = group.get("MixedInstancesPolicy", {})
        spread = policy.get("InstancesDistribution", {})
        # AWS's own defaults: nothing on demand as a base, everything above it.
        may_switch = int(spread.get("OnDemandPercentageAboveBaseCapacity", 100)) < 100
        is_on_demand = not may_switch or int(spread.get("OnDemandBaseCapacity", 0)) > 0
        instances = [instance["LifecycleState"] for instance in group.get("Instances", ())]
        staying = [
            instance
            for instance in group.get("Instances", ())
            if not instance["LifecycleState"].startswith("Terminat")
        ]
        return GroupView(
            desired=int(group["DesiredCapacity"]),
            instances=len(instances),
            in_service=instances.count("InService"),
            purchase=Purchase.ON_DEMAND if is_on_demand else Purchase.SPOT,
            may_switch=may_switch,
            distribution=spread,
            staying=frozenset(str(instance["InstanceId"]) for instance in staying),
            is_outdated=_is_outdated(policy, staying),
        )

    def set_desired(self, capacity: int) -> None:
        """Set how many instances to have, without waiting for a cooldown."""
        self._client().set_desired_capacity(
            AutoScalingGroupName=self.name, DesiredCapacity=capacity, HonorCooldown=False
        )

    def buy(self, purchase: Purchase, view: GroupView) -> None:
        """Buy the first instance this way from now on.

        The whole distribution is sent, because AWS does not promise to keep what is left out of it.
        Nothing else is sent, because a caller that names a launch template must be allowed to run
        what is in it.
        """
        base = 1 if purchase is Purchase.ON_DEMAND else 0
        self._client().update_auto_scaling_group(
            AutoScalingGroupName=self.name,
            MixedInstancesPolicy={
                "InstancesDistribution": {**view.distribution, "OnDemandBaseCapacity": base}
            },
        )

    def last_failure(self, since: datetime) -> str:
        """What AWS said about the newest try since then, if it failed; else an empty text."""
        found = self._client().describe_scaling_activities(
            AutoScalingGroupName=self.name, MaxRecords=ACTIVITIES
        )
        ended = [
            activity
            for activity in found["Activities"]
            if activity["StatusCode"] in _ENDED and activity["StartTime"] >= since
        ]
        if not ended:
            return ""
        newest = max(ended, key=lambda activity: activity["StartTime"])
        if newest["StatusCode"] != "Failed":
            return ""
        return str(newest.get("StatusMessage") or newest.get("Cause") or "no reason given")


def _is_outdated(policy: Mapping[str, Any], instances: Sequence[Mapping[str, Any]]) -> bool:
    """Whether an instance has another version of the template than the group.

    Terraform names the version by its number. Of a name such as `$Latest` it is not known which
    version it meant when the instance was made.
    """
    template = policy.get("LaunchTemplate", {}).get("LaunchTemplateSpecification", {})
    version = str(template.get("Version", ""))
    made_from = {str(each.get("LaunchTemplate", {}).get("Version", version)) for each in instances}
    return version.isdigit() and bool(made_from - {version})
