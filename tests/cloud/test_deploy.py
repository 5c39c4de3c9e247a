"""Up, broken off, up again, down: through the real Terraform, against the emulator."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from aistratus_desktop.settings import load_settings
from aistratus_operator import ROOT
from aistratus_operator.cloud import state
from aistratus_operator.cloud.aws import Account, sign_in
from aistratus_operator.cloud.bootstrap import bootstrap, is_complete
from aistratus_operator.cloud.deploy import Options, deploy, drift, plan
from aistratus_operator.cloud.destroy import destroy
from aistratus_operator.cloud.environments import load
from aistratus_operator.cloud.users import invite
from aistratus_operator.errors import OperatorError
from aistratus_operator.program import main
from support.cloud_account import Quotas, make_image

pytestmark = [pytest.mark.needs("terraform"), pytest.mark.timeout(600)]

REGION = "eu-west-3"
PROJECT = "aistratus"
# What the emulator gives back otherwise than it was made, and AWS does not.
EMULATOR_DIFFERS = {
    "module.fleet.aws_autoscaling_group.workers",
    "module.fleet.aws_autoscaling_lifecycle_hook.termination",
    "module.fleet.aws_launch_template.worker",
    "module.identity.aws_cognito_user_pool_domain.this",
    "module.jobs.aws_sqs_queue.jobs",
}
# IAM's limit for all inline policies of a role together, spaces left out.
MAX_ROLE_POLICY_CHARACTERS = 10_240


@pytest.fixture
def account(aws: str) -> Account:
    return sign_in(REGION)


def interrupted(seen: str, *arguments: str) -> int:
    """Run the tool until it says that, press Ctrl-C twice, and wait; its exit code."""
    with subprocess.Popen(
        [sys.executable, "-m", "aistratus_operator", *arguments, "--region", REGION],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if line.lstrip().startswith(seen):
                os.killpg(process.pid, signal.SIGINT)
            if "Ctrl-C again breaks it off" in line:
                os.killpg(process.pid, signal.SIGINT)
                break
        said.append(process.stderr.read())
        assert process.wait() == 130, "".join(said)
        assert "Run the same command again to finish." in said[-1]
        assert "Traceback" not in said[-1]
    return process.returncode


def bucket_of(account: Account) -> str:
    return state.bucket_name(account, PROJECT)


def test_a_bootstrap_that_broke_off_is_finished(account: Account) -> None:
    assert not is_complete(account, PROJECT)
    interrupted("2/", "bootstrap")
    assert state.has_bucket(account, bucket_of(account))
    assert not is_complete(account, PROJECT)
    bootstrap(account, PROJECT, out=io.StringIO())
    assert is_complete(account, PROJECT)
    s3, bucket = account.client("s3"), bucket_of(account)
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert "aws:SecureTransport" in s3.get_bucket_policy(Bucket=bucket)["Policy"]
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert rules[0]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 90}


def test_workflows_get_roles_that_only_they_can_have(account: Account) -> None:
    made = bootstrap(account, PROJECT, "someone/aistratus", out=io.StringIO())
    out = io.StringIO()
    assert bootstrap(account, PROJECT, out=out) == made, "the repository stays as it was named"
    assert "Plan:" not in out.getvalue(), "the second time changes nothing"
    iam = account.client("iam")
    subjects = {
        "aistratus-github-plan": [
            "repo:someone/aistratus:pull_request",
            "repo:someone/aistratus:ref:refs/heads/main",
        ],
        "aistratus-github-deploy-dev": "repo:someone/aistratus:environment:dev",
        "aistratus-github-deploy-prod": "repo:someone/aistratus:environment:prod",
        "aistratus-github-image": "repo:someone/aistratus:environment:image",
    }
    for name, subject in subjects.items():
        trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
        conditions = trust["Statement"][0]["Condition"]["StringEquals"]
        assert conditions["token.actions.githubusercontent.com:sub"] == subject
        assert conditions["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"
        documents = [
            iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        ]
        size = sum(len(json.dumps(each, separators=(",", ":"))) for each in documents)
        assert size <= MAX_ROLE_POLICY_CHARACTERS, name


class FallingQuotas(io.StringIO):
    """Takes the account's GPUs away as soon as a deployment has begun."""

    def __init__(self, quotas: Quotas) -> None:
        super().__init__()
        self._quotas = quotas

    def write(self, text: str) -> int:
        if text.startswith("Deploying "):
            self._quotas.vcpus = dict.fromkeys(self._quotas.vcpus, 0.0)
        return super().write(text)


def test_a_deployment_that_broke_off_is_finished_used_and_removed(
    account: Account, quotas: Quotas, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image_id = make_image(account)
    interrupted("5/", "deploy", "--env", "dev", "--image-id", image_id)
    out = FallingQuotas(quotas)
    options = Options(image_id=image_id, env_file=tmp_path / ".env_public", out=out)
    outputs = deploy("dev", REGION, options)
    assert "dev is up, in " in out.getvalue()

    # The app finds it.
    settings = load_settings({}, tmp_path)
    assert settings.api_url == outputs["api_url"]
    assert settings.login_url == outputs["login_url"]
    assert settings.client_id == outputs["client_id"]
    assert settings.region == REGION

    # So does a script.
    assert main(["outputs", "--env", "dev", "--region", REGION, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == outputs

    # A quota that fell meanwhile is nothing that a deploy needs; the doctor tells it.
    assert main(["doctor", "--env", "dev", "--region", REGION, "--json"]) == 1
    found = {each["check"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
    assert [name for name, each in found.items() if each["verdict"] == "problem"] == ["quotas"]
    assert "neither Spot nor on-demand GPU instances" in found["quotas"]["says"]
    quotas.vcpus = dict.fromkeys(quotas.vcpus, 8.0)

    # What is there is what is written here, and a plan says so without the noise.
    assert set(drift("dev", REGION, options)) <= EMULATOR_DIFFERS
    shown = io.StringIO()
    plan("dev", REGION, replace(options, out=shown))
    assert "Refreshing state" not in shown.getvalue()
    assert re.search(
        r"^Plan: 0 to add, \d to change, 0 to destroy\.$", shown.getvalue(), re.MULTILINE
    )

    # And somebody may sign in.
    environment = load("dev", REGION)
    assert "is on its way" in invite(account, environment, "ada@example.org")
    with pytest.raises(OperatorError, match="was invited already, and has not signed in yet"):
        invite(account, environment, "ada@example.org")
    assert "is on its way" in invite(account, environment, "ada@example.org", again=True)

    with pytest.raises(OperatorError, match=r"^Nothing was removed: that was not dev\.$"):
        destroy("dev", REGION, options, confirm=lambda _: "prod")
    destroy("dev", REGION, options, confirm=lambda _: "dev\n")
    assert not options.env_file.exists()
    with pytest.raises(OperatorError, match="is not deployed in eu-west-3"):
        destroy("dev", REGION, options)
    with pytest.raises(OperatorError, match="is not deployed in eu-west-3"):
        invite(account, environment, "ada@example.org")
