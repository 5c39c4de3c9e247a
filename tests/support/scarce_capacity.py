"""Auto Scaling where moto lacks it: hooks, failures, and changes to part of a policy.

The emulator starts an instance at once, whenever one is wanted. Here Spot can have none, as on a
bad day; and this understands what the steward and a drained worker then tell Auto Scaling.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from support.http_frames import HttpMessage
from support.iam.accesses import Call
from support.iam.gate import xml_answer

_NAMESPACE: Final = "http://autoscaling.amazonaws.com/doc/2011-01-01/"
_DISTRIBUTION: Final = "MixedInstancesPolicy.InstancesDistribution."
NO_SPOT: Final = (
    "Could not launch Spot Instances. UnfulfillableCapacity - Unable to fulfill capacity due to "
    "your request configuration. Launching EC2 instance failed."
)


@dataclass
class ScarceCapacity:
    """One group. `is_spot_out`: AWS has no Spot instance, so there is none without a base.

    `failure` is what AWS says then.
    """

    is_spot_out: bool = False
    failure: str = NO_SPOT
    on_demand_base: int = 0
    drained: int = 0

    def answer(self, call: Call) -> HttpMessage | None:
        """Answer what the emulator cannot."""
        match call.service, call.operation:
            case "autoscaling", "CompleteLifecycleAction":
                # With this, Auto Scaling lets go an instance that its hook held for the worker.
                assert call.body["InstanceId"].startswith("i-")
                assert call.body["LifecycleHookName"].endswith("-termination")
                self.drained += 1
                return _done(call)
            case "autoscaling", "DescribeScalingActivities":
                return _done(call, f"<Activities>{self._activities()}</Activities>")
            case "autoscaling", "UpdateAutoScalingGroup":
                # What is not named stays; moto would forget everything else.
                rest = {name for name in call.body if not name.startswith(_DISTRIBUTION)}
                assert rest == {"Action", "Version", "AutoScalingGroupName"}
                self.on_demand_base = int(call.body[f"{_DISTRIBUTION}OnDemandBaseCapacity"])
                return _done(call)
            case _:
                return None

    def amend(self, call: Call, answer: HttpMessage) -> HttpMessage:
        """Correct the emulator's answer where it is too good."""
        if call.operation != "DescribeAutoScalingGroups":
            return answer
        text = answer.body.decode()
        if self.is_spot_out and not self.on_demand_base:
            text = re.sub(r"<Instances>.*?</Instances>", "<Instances/>", text, flags=re.DOTALL)
        base = f"<OnDemandBaseCapacity>{self.on_demand_base}</OnDemandBaseCapacity>"
        text, found = re.subn(r"<OnDemandBaseCapacity>\d+</OnDemandBaseCapacity>", base, text)
        assert found == 1, text
        return xml_answer("200 OK", text)

    def _activities(self) -> str:
        if not self.is_spot_out:
            return ""
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        return (
            "<member><ActivityId>a</ActivityId><AutoScalingGroupName>g</AutoScalingGroupName>"
            f"<Cause>An instance was wanted.</Cause><StartTime>{now}</StartTime>"
            f"<EndTime>{now}</EndTime><StatusCode>Failed</StatusCode>"
            f"<StatusMessage>{self.failure}</StatusMessage></member>"
        )


def _done(call: Call, result: str = "") -> HttpMessage:
    name = call.operation
    return xml_answer(
        "200 OK",
        f'<{name}Response xmlns="{_NAMESPACE}"><{name}Result>{result}</{name}Result>'
        f"<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{name}Response>",
    )
