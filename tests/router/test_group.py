"""The group's calls as they go over the wire, and AWS's answers as they come back.

Whole answers of a group are the emulator's (`test_fleet`); these two calls it does not have.
"""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from aistratus_router.fleet.group import Group, GroupView
from aistratus_router.ports import Ports
from aistratus_router.wire.responses import Purchase

XMLNS = "http://autoscaling.amazonaws.com/doc/2011-01-01/"
ACTIVITY = (
    "<member><ActivityId>{number}</ActivityId><AutoScalingGroupName>g</AutoScalingGroupName>"
    "<Cause>c</Cause><StartTime>{at}</StartTime><StatusCode>{code}</StatusCode>{message}</member>"
)


class _Body:
    def __init__(self, text: str) -> None:
        self._text = text

    def stream(self, *_: object, **__: object) -> list[bytes]:
        return [self._text.encode()]


def over_the_wire(action: str, result: str) -> tuple[Group, list[dict[str, str]]]:
    """A group behind boto3's own client; what was sent is written down."""
    session = boto3.Session("test", "test", region_name="eu-central-1")
    client = session.client("autoscaling")
    sent: list[dict[str, str]] = []
    answer = f'<{action}Response xmlns="{XMLNS}">{result}</{action}Response>'

    def send(request: Any, **_: object) -> AWSResponse:
        body = request.body.decode() if isinstance(request.body, bytes) else request.body
        sent.append(dict(parse_qsl(body)))
        raw: Any = _Body(answer)
        return AWSResponse(request.url, 200, HTTPHeaders(), raw)

    client.meta.events.register("before-send.autoscaling", send)
    made: Any = client
    return Group(lambda: made, "g"), sent


def test_only_the_base_is_changed() -> None:
    group, sent = over_the_wire("UpdateAutoScalingGroup", "")
    distribution = {"OnDemandPercentageAboveBaseCapacity": 0, "OnDemandBaseCapacity": 0}
    view = GroupView(1, 0, 0, Purchase.SPOT, may_switch=True, distribution=distribution)
    group.buy(Purchase.ON_DEMAND, view)
    group.buy(Purchase.SPOT, view)

    policy = "MixedInstancesPolicy.InstancesDistribution"
    assert sent == [
        {
            "Action": "UpdateAutoScalingGroup",
            "Version": "2011-01-01",
            "AutoScalingGroupName": "g",
            f"{policy}.OnDemandPercentageAboveBaseCapacity": "0",
            f"{policy}.OnDemandBaseCapacity": base,
        }
        for base in ("1", "0")
    ]


@pytest.mark.parametrize(
    ("activities", "failure"),
    [
        ([], ""),
        ([("10:05", "Failed", "No Spot.")], "No Spot."),
        ([("10:05", "Failed", "")], "c"),
        ([("09:59", "Failed", "Before.")], ""),
        ([("10:06", "InProgress", ""), ("10:05", "Failed", "No Spot.")], "No Spot."),
        ([("10:06", "Successful", ""), ("10:05", "Failed", "No Spot.")], ""),
        ([("10:05", "Failed", "Old."), ("10:06", "Failed", "New.")], "New."),
    ],
)
def test_the_newest_try_that_has_ended_counts(
    activities: list[tuple[str, str, str]], failure: str
) -> None:
    members = "".join(
        ACTIVITY.format(
            number=number,
            at=f"2026-11-23T{at}:00.123Z",
            code=code,
            message=f"<StatusMessage>{message}</StatusMessage>" if message else "",
        )
        for number, (at, code, message) in enumerate(activities)
    )
    result = (
        f"<DescribeScalingActivitiesResult><Activities>{members}</Activities>"
        "</DescribeScalingActivitiesResult>"
    )
    group, sent = over_the_wire("DescribeScalingActivities", result)

    assert group.last_failure(datetime(2026, 11, 23, 10, tzinfo=UTC)) == failure
    assert sent[0]["AutoScalingGroupName"] == "g"


def test_the_client_is_made_when_it_is_first_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    client = boto3.session.Session.client

    def spy(session: Any, name: Any, **options: Any) -> Any:
        made.append(name)
        return client(session, name, **options)

    monkeypatch.setattr(boto3.session.Session, "client", spy)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    ports = Ports.from_environment({"AISTRATUS_REGISTRY": "/x", "AWS_REGION": "eu-central-1"})
    assert "autoscaling" not in made

    assert ports.autoscaling() is ports.autoscaling()
    assert made.count("autoscaling") == 1
