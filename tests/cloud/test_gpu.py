"""Who pays for the GPU sees it, and turns it on and off, without being a user who may sign in."""

import json
import re

import pytest

from aistratus_contracts.registry import Parameter
from aistratus_contracts.schedule import DAYS, Hours, Schedule, encode_schedule
from aistratus_operator.cloud.aws import Account
from aistratus_operator.program import main
from support.router_api import Emulator

PREFIX = "/aistratus/dev"


@pytest.fixture
def group(account: Account, aws: str) -> str:
    """The fleet of dev, which is off; its group's name."""
    emulator = Emulator(aws)
    name = emulator.create_group()
    ssm = account.client("ssm")
    for parameter in Parameter:
        ssm.delete_parameters(Names=[parameter.under(PREFIX)])
    emulator.register(PREFIX, *emulator.create(), name)
    return name


def desired(account: Account, group: str) -> int:
    found = account.client("autoscaling").describe_auto_scaling_groups(
        AutoScalingGroupNames=[group]
    )
    return int(found["AutoScalingGroups"][0]["DesiredCapacity"])


def test_it_is_started_and_stopped(
    account: Account, group: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fleet", "--env", "dev"]) == 0
    assert "dev: no GPU is on, and no job is open." in capsys.readouterr().out

    assert main(["start", "--env", "dev"]) == 0
    assert desired(account, group) == 1
    assert capsys.readouterr().out == (
        "dev: a GPU is on its way, bought spot, and no job is open. "
        "It goes off after 900 seconds without work.\n"
    )

    assert main(["stop", "--env", "dev"]) == 0
    assert desired(account, group) == 0
    assert "It stays off until the next prompt, or make start ENV=dev." in capsys.readouterr().out


def test_it_is_told_until_when_the_schedule_keeps_it_on(
    account: Account, group: str, capsys: pytest.CaptureFixture[str]
) -> None:
    always = Schedule((Hours("UTC", "00:00", "24:00", DAYS),))
    account.client("ssm").put_parameter(
        Name=Parameter.SCHEDULE.under(PREFIX), Value=encode_schedule(always), Type="String"
    )
    assert main(["start", "--env", "dev"]) == 0
    assert re.search(
        r"no job is open\. The schedule keeps it on until \d\d:\d\d \S+\.\n",
        capsys.readouterr().out,
    )


def test_it_is_told_to_machines(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "--env", "dev", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == {
        "managed": True,
        "state": "off",
        "queue_depth": 0,
        "idle_timeout_seconds": 900,
    }


def test_what_is_not_deployed_is_a_sentence(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stop", "--env", "prod", "--region", account.region]) == 1
    said = capsys.readouterr().err
    assert said.startswith("prod is not deployed in eu-central-1, or not whole: The registry has ")
    assert said.endswith("make deploy ENV=prod REGION=eu-central-1\n")


def test_a_group_that_is_gone_is_a_sentence(
    account: Account, group: str, capsys: pytest.CaptureFixture[str]
) -> None:
    account.client("autoscaling").delete_auto_scaling_group(
        AutoScalingGroupName=group, ForceDelete=True
    )
    assert main(["start", "--env", "dev"]) == 1
    assert f"There is no Auto Scaling group {group}; apply" in capsys.readouterr().err
