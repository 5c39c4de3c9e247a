"""An Auto Scaling group for the router: in memory, or in the emulator.

moto starts every instance at once, has no scaling activities, and cannot change part of a
mixed-instances policy. Tests that need these, as when AWS has no instance, use the group in memory.
It checks every call against botocore's description of the service, so that AWS would take it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from itertools import zip_longest
from typing import Any

import botocore.session
from botocore.validate import validate_parameters

from support.doubles.aws import error

GROUP = "aistratus-test-workers"


@cache
def _service() -> Any:
    return botocore.session.Session().get_service_model("autoscaling")


def _checked(operation: str, call: dict[str, Any]) -> None:
    validate_parameters(call, _service().operation_model(operation).input_shape)


@dataclass
class MemoryGroup:
    """One group. `launch_failures` is AWS's message instead of an instance, by purchase option."""

    clock: Callable[[], datetime]
    desired: int = 0
    instances: list[str] = field(default_factory=list)
    base: int = 0
    above: int = 0
    launch_failures: dict[str, str] = field(default_factory=dict)
    activities: list[dict[str, Any]] = field(default_factory=list)
    # The first instances' states; all others are in service.
    states: list[str] = field(default_factory=list)
    # Whether instances come and go only in `work`, and not at once.
    is_slow: bool = False
    # The launch template's version, and the one that each instance was made from.
    version: str = "1"
    made_from: dict[str, str] = field(default_factory=dict)

    @property
    def purchase(self) -> str:
        return "on-demand" if self.base or self.above == 100 else "spot"

    def work(self) -> None:
        """Try to reach the desired capacity, as Auto Scaling does."""
        while len(self.instances) > self.desired:
            self.instances.pop()
        while len(self.instances) < self.desired:
            message = self.launch_failures.get(self.purchase, "")
            number = len(self.activities)
            self.activities.insert(
                0,
                {
                    "ActivityId": f"a-{number}",
                    "AutoScalingGroupName": GROUP,
                    "Cause": "At … an instance was started in response to a difference.",
                    "StartTime": self.clock(),
                    "StatusCode": "Failed" if message else "Successful",
                    "StatusMessage": message,
                },
            )
            if message:
                return
            self.instances.append(f"i-{number}")
            self.made_from[f"i-{number}"] = self.version

    def describe_auto_scaling_groups(self, **call: Any) -> Any:
        _checked("DescribeAutoScalingGroups", call)
        if call["AutoScalingGroupNames"] != [GROUP]:
            return {"AutoScalingGroups": []}
        spread = {
            "OnDemandBaseCapacity": self.base,
            "OnDemandPercentageAboveBaseCapacity": self.above,
        }
        group = {
            "DesiredCapacity": self.desired,
            "Instances": [
                {
                    "InstanceId": name,
                    "LifecycleState": state,
                    "LaunchTemplate": {
                        "LaunchTemplateId": "lt-1",
                        "Version": self.made_from.get(name, self.version),
                    },
                }
                for name, state in zip_longest(self.instances, self.states, fillvalue="InService")
            ],
            "MixedInstancesPolicy": {
                "InstancesDistribution": spread,
                "LaunchTemplate": {
                    "LaunchTemplateSpecification": {
                        "LaunchTemplateId": "lt-1",
                        "Version": self.version,
                    }
                },
            },
        }
        return {"AutoScalingGroups": [group]}

    def describe_scaling_activities(self, **call: Any) -> Any:
        _checked("DescribeScalingActivities", call)
        return {"Activities": self.activities[: call["MaxRecords"]]}

    def set_desired_capacity(self, **call: Any) -> Any:
        _checked("SetDesiredCapacity", call)
        if call["AutoScalingGroupName"] != GROUP or call["DesiredCapacity"] > 1:
            raise error("ValidationError")
        self.desired = call["DesiredCapacity"]
        if not self.is_slow:
            self.work()
        return {}

    def update_auto_scaling_group(self, **call: Any) -> Any:
        _checked("UpdateAutoScalingGroup", call)
        distribution = call["MixedInstancesPolicy"]["InstancesDistribution"]
        assert list(call["MixedInstancesPolicy"]) == ["InstancesDistribution"]
        # What is left out takes AWS's default, which is the worse case for us.
        self.base = distribution.get("OnDemandBaseCapacity", 0)
        self.above = distribution.get("OnDemandPercentageAboveBaseCapacity", 100)
        return {}


def create_group(autoscaling: Any, ec2: Any, name: str) -> None:
    """A group of Spot instances in the emulator, as Terraform makes it."""
    image = ec2.register_image(Name=name)["ImageId"]
    ec2.create_launch_template(
        LaunchTemplateName=name,
        LaunchTemplateData={"ImageId": image, "InstanceType": "g6.xlarge"},
    )
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=name,
        MinSize=0,
        MaxSize=1,
        DesiredCapacity=0,
        VPCZoneIdentifier=subnet,
        MixedInstancesPolicy={
            "LaunchTemplate": {
                "LaunchTemplateSpecification": {"LaunchTemplateName": name, "Version": "$Latest"},
                "Overrides": [{"InstanceType": "g6.xlarge"}, {"InstanceType": "g5.xlarge"}],
            },
            "InstancesDistribution": {
                "OnDemandBaseCapacity": 0,
                "OnDemandPercentageAboveBaseCapacity": 0,
            },
        },
    )
