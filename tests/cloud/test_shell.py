"""A shell without an open port: what is missing is a sentence, and what is there is handed over."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aistratus_operator.cloud.aws import Account
from aistratus_operator.cloud.environments import Environment, load
from aistratus_operator.cloud.shell import find_instance
from aistratus_operator.errors import OperatorError
from aistratus_operator.program import main
from support.cloud_account import scripted
from support.router_api import Emulator


@pytest.fixture
def dev() -> Environment:
    return replace(load("dev", "eu-central-1"), session_manager=True)


@pytest.fixture
def group(aws: str) -> str:
    """The fleet of dev, which is off; its group's name."""
    return Emulator(aws).create_group()


class Agents:
    """Systems Manager, of which the emulator has only parameters: the group's name, the agents."""

    def __init__(self, group: str) -> None:
        self.group = group
        self.ping = ""

    def answer(self, body: bytes) -> tuple[int, str, str]:
        asked = json.loads(body)
        if "Filters" not in asked:
            assert asked == {"Name": "/aistratus/dev/fleet/group_name"}
            document: dict[str, object] = {"Parameter": {"Value": self.group}}
        else:
            (chosen,) = asked["Filters"]
            assert chosen["Key"] == "InstanceIds"
            known = {"InstanceId": chosen["Values"][0], "PingStatus": self.ping}
            document = {"InstanceInformationList": [known] if self.ping else []}
        return 200, "application/x-amz-json-1.1", json.dumps(document)


@pytest.fixture
def agents(group: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agents]:
    agents = Agents(group)
    with scripted(agents.answer) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", url)
        yield agents


def start(account: Account, group: str) -> str:
    """Turn the fleet on; the instance's id."""
    scaling = account.client("autoscaling")
    scaling.set_desired_capacity(AutoScalingGroupName=group, DesiredCapacity=1)
    found = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])
    return str(found["AutoScalingGroups"][0]["Instances"][0]["InstanceId"])


def refusal(account: Account, environment: Environment) -> str:
    with pytest.raises(OperatorError) as caught:
        find_instance(account, environment)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_it_is_off_by_default(account: Account) -> None:
    text = refusal(account, load("dev", "eu-central-1"))
    assert text.startswith("dev has Session Manager off. Set session_manager = true in ")


def test_without_an_instance_there_is_no_shell(
    account: Account, agents: Agents, dev: Environment
) -> None:
    assert refusal(account, dev) == "No instance of dev is on. Turn one on with: make start ENV=dev"
    agents.group = "gone"
    assert "No instance of dev is on." in refusal(account, dev)


def test_an_image_without_the_agent_is_told(
    account: Account, agents: Agents, dev: Environment
) -> None:
    started = start(account, agents.group)
    for agents.ping in ("", "ConnectionLost"):
        text = refusal(account, dev)
        assert f"agent on {started} has not reported." in text
        assert "Debian's has not" in text
    agents.ping = "Online"
    assert find_instance(account, dev) == started


@pytest.mark.parametrize(
    ("there", "missing"),
    [([], "The AWS command line"), (["aws"], "AWS's session-manager-plugin")],
)
def test_programs_that_are_missing(
    there: list[str],
    missing: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in there:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["shell", "--env", "dev"]) == 1
    assert capsys.readouterr().err.startswith(f"{missing} is not installed. Install it (https://")


def test_it_becomes_the_aws_command_line(account: Account, agents: Agents, tmp_path: Path) -> None:
    agents.ping, started = "Online", start(account, agents.group)
    for name, text in (("aws", 'echo "$@"; exit 7'), ("session-manager-plugin", "")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    script = (
        "from dataclasses import replace\n"
        "from aistratus_operator.cloud.environments import load\n"
        "from aistratus_operator.cloud.shell import open_shell\n"
        "open_shell(replace(load('dev', 'eu-central-1'), session_manager=True))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 7, done.stderr
    assert done.stdout == f"ssm start-session --target {started} --region eu-central-1\n"
