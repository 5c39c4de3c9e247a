"""What Terraform tells an instance is what the image on it understands."""

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from aistratus_contracts.registry import REGISTRY_VARIABLE, Parameter
from aistratus_daemon.worker import metrics
from aistratus_daemon.worker.__main__ import DRAIN_SECONDS
from aistratus_daemon.worker.settings import _OPTIONAL, _REQUIRED
from aistratus_operator.cloud.terraform import Terraform
from housekeeping import ROOT
from support.terraform_code import TERRAFORM, code

FLEET = TERRAFORM / "modules" / "fleet"
AGENT = ROOT / "roles" / "cloudwatch"

RUN = '\nrun "instance" {}\n'


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The fleet's resources, each by its address, as Terraform would make them."""
    folder = tmp_path_factory.mktemp("fleet") / "fleet"
    shutil.copytree(FLEET, folder, ignore=shutil.ignore_patterns(".terraform*"))
    test = folder / "tests" / "fleet.tftest.hcl"
    settings, _, _ = test.read_text(encoding="utf-8").partition("\nrun ")
    test.write_text(settings + RUN, encoding="utf-8")
    terraform = Terraform(folder)
    terraform.run("init", "-backend=false")
    said = terraform.run("test", "-json", "-verbose").output
    (state,) = (
        line["test_state"]["root_module"]["resources"]
        for line in map(json.loads, said.splitlines())
        if line["type"] == "test_state"
    )
    return {each["address"]: each["values"] for each in state}


@pytest.fixture(scope="module")
def user_data(planned: dict[str, dict[str, Any]]) -> dict[str, Any]:
    text = base64.b64decode(planned["aws_launch_template.worker"]["user_data"]).decode()
    assert text.startswith("#cloud-config\n")
    read: dict[str, Any] = yaml.safe_load(text)
    return read


@pytest.mark.needs("terraform")
def test_the_worker_is_told_its_registry_and_its_region(user_data: dict[str, Any]) -> None:
    (file,) = user_data["write_files"]
    unit = (ROOT / "roles/worker/templates/aistratus-worker.service.j2").read_text("utf-8")
    assert f"EnvironmentFile=-{file['path']}\n" in unit
    assert file["content"].splitlines() == [
        f"{REGISTRY_VARIABLE}=/aistratus/test",
        "AWS_DEFAULT_REGION=eu-central-1",
    ]


@pytest.mark.needs("terraform")
def test_the_agent_logs_to_the_group_that_terraform_makes(
    planned: dict[str, dict[str, Any]], user_data: dict[str, Any], tmp_path: Path
) -> None:
    """The image's own configuration of the agent, after the instance's start, and after another."""
    configured = agent_configuration()
    file = tmp_path / "agent.json"
    file.write_text(configured, encoding="utf-8")
    (command,) = user_data["bootcmd"]
    place = str(yaml.safe_load((AGENT / "vars/main.yml").read_text("utf-8"))["cloudwatch_folder"])
    agent_file = f"{place}/etc/amazon-cloudwatch-agent.json"
    assert agent_file in command[-1]
    for _ in range(2):
        subprocess.run([*command[:-1], command[-1].replace(agent_file, str(file))], check=True)
        collected = log_groups(file.read_text(encoding="utf-8"))
        assert len(collected) == 3
        assert set(collected) == {(planned["aws_cloudwatch_log_group.worker"]["name"], -1)}
        card = json.loads(file.read_text("utf-8"))["metrics"]["metrics_collected"]["nvidia_gpu"]
        assert card["append_dimensions"] == {metrics.DIMENSION: "test"}
    # And nothing else is touched.
    assert len(file.read_text(encoding="utf-8").splitlines()) == len(configured.splitlines())


@pytest.mark.needs("terraform")
def test_an_image_without_the_agent_starts_too(user_data: dict[str, Any], tmp_path: Path) -> None:
    (command,) = user_data["bootcmd"]
    gone = re.sub(r"/opt/aws\S*json", str(tmp_path / "gone.json"), command[-1])
    subprocess.run([*command[:-1], gone], check=True)


@pytest.mark.needs("terraform")
def test_the_group_waits_for_the_longest_drain(planned: dict[str, dict[str, Any]]) -> None:
    hook = planned["aws_autoscaling_lifecycle_hook.termination"]
    assert hook["heartbeat_timeout"] > DRAIN_SECONDS


def test_the_role_may_read_what_the_worker_reads_and_no_more() -> None:
    text = code()["modules/fleet/policies.tf"]
    listed = re.search(r"parameters = \[\n(.*?)\]", text, re.DOTALL)
    assert listed is not None
    granted = set(re.findall(r'"([^"]+)"', listed[1]))
    assert granted == {Parameter(each).value for each in (*_REQUIRED, *_OPTIONAL)}


def test_the_dashboard_shows_metrics_that_the_worker_sends() -> None:
    text = code()["modules/observability/dashboard.tf"]
    shown = set(re.findall(r'\[local\.worker, "([^"]+)"\]', text))
    assert shown
    assert shown <= set(metrics.UNITS)
    assert f'worker  = "{metrics.NAMESPACE}"' in re.sub(r" +=", "  =", text)
    assert f'["{metrics.DIMENSION}", var.environment]' in text


def test_alarms_and_dashboard_name_the_cards_metrics_as_the_agent_sends_them() -> None:
    """The agent calls a measurement of `nvidia_gpu` nvidia_smi_…, and adds it up by environment."""
    sent = json.loads(agent_configuration())["metrics"]
    card = sent["metrics_collected"]["nvidia_gpu"]
    assert sent["aggregation_dimensions"] == [list(card["append_dimensions"])]
    module = code()
    text = module["modules/observability/main.tf"] + module["modules/observability/dashboard.tf"]
    named = set(re.findall(r'"nvidia_smi_(\w+)"', text))
    assert named
    assert named <= set(card["measurement"])
    assert f"{metrics.DIMENSION} = var.environment" in text


def test_the_role_may_send_metrics_of_the_workers_and_the_agents_namespace() -> None:
    defaults = yaml.safe_load((AGENT / "defaults/main.yml").read_text("utf-8"))
    assert defaults["cloudwatch_namespace"] == metrics.NAMESPACE
    assert f'values   = ["{metrics.NAMESPACE}"]' in code()["modules/fleet/policies.tf"]


def agent_configuration() -> str:
    """The agent's configuration as it is in an image, with a card."""
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined)  # noqa: S701 - JSON
    environment.filters["combine"] = lambda one, other: one | other
    environment.filters["to_nice_json"] = lambda value: json.dumps(value, indent=4)
    template = environment.from_string(
        (AGENT / "templates/amazon-cloudwatch-agent.json.j2").read_text("utf-8")
    )
    variables = {
        name: value
        for file in ("defaults/main.yml", "vars/main.yml")
        for name, value in yaml.safe_load((AGENT / file).read_text("utf-8")).items()
    }
    return template.render(variables | {"cloudwatch_gpu": True})


def log_groups(configuration: str) -> list[tuple[str, int]]:
    """Where each thing that is collected goes, and for how many days."""
    collected = json.loads(configuration)["logs"]["logs_collected"].values()
    return [
        (each["log_group_name"], each["retention_in_days"])
        for source in collected
        for each in source["collect_list"]
    ]
