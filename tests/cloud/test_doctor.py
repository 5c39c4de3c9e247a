"""The doctor, on what Terraform made: what is well, what is wrong and what to do, nothing changed.

Each fault is made as it can happen: by a change in the account.
"""

import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from aistratus_contracts import codec, table
from aistratus_local.choices import STANDIN
from aistratus_local.console import Console
from aistratus_local.models import local_model
from aistratus_operator import ROOT
from aistratus_operator.cloud import state
from aistratus_operator.cloud.aws import Account, sign_in
from aistratus_operator.cloud.doctor.checks import CHECKS, OF_THE_ACCOUNT, OF_WHAT_IS_DEPLOYED
from aistratus_operator.program import main
from support.cloud_account import Quotas
from support.deployment import Deployment
from support.emulator_process import aws_environment, running_emulator_process
from support.fleet_rounds import NO_QUOTA
from support.iam.gate import Gate, open_gates
from support.iam.policies import Role
from support.inventory import inventory
from support.scarce_capacity import ScarceCapacity

pytestmark = [pytest.mark.needs("terraform"), pytest.mark.timeout(600)]

NAMES: Final = [check.name for check in CHECKS]
EVERYTHING: Final = [{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}]
# The emulator knows no limits of Lambda's, and the steward is called by nobody.
NOT_SEEN_HERE: Final = {"concurrency", "steward"}


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with running_emulator_process() as url:
        made = Deployment(
            url, tmp_path_factory.mktemp("deployment"), local_model(STANDIN, Console()).card
        )
        made.apply()
        yield made


@pytest.fixture
def account(
    deployment: Deployment, quotas: Quotas, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Account]:
    """The account with the deployment; the fleet is off again afterwards."""
    for name, value in aws_environment(deployment.emulator_url).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SERVICE_QUOTAS", quotas.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    account = sign_in("eu-central-1")
    yield account
    main(["stop", "--env", "dev"])


Findings = dict[str, tuple[str, str]]


@pytest.fixture
def doctor(account: Account, capsys: pytest.CaptureFixture[str]) -> Callable[..., Findings]:
    def ask(*arguments: str, env: str = "dev") -> Findings:
        capsys.readouterr()
        code = main(["doctor", "--env", env, "--json", *arguments])
        shown = json.loads(capsys.readouterr().out)
        found = {each["check"]: (each["verdict"], each["says"]) for each in shown["findings"]}
        assert list(found) == NAMES
        assert code == (1 if "problem" in {verdict for verdict, _ in found.values()} else 0)
        assert all(says and "\n" not in says for _, says in found.values())
        return found

    return ask


def only(found: Findings, name: str) -> str:
    """The one problem."""
    assert [each for each, (verdict, _) in found.items() if verdict == "problem"] == [name], found
    return found[name][1]


def test_the_page_lists_each_check() -> None:
    page = (ROOT / "docs" / "cloud.md").read_text(encoding="utf-8")
    _, _, section = page.partition("\n## What the doctor looks at\n")
    rows = re.findall(r"^\| (`[^|]*`) \|", section.partition("\n## ")[0], re.MULTILINE)
    assert sorted(re.findall("`([a-z-]+)`", " ".join(rows))) == sorted(NAMES)


def test_a_healthy_deployment(
    deployment: Deployment,
    doctor: Callable[..., Findings],
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = inventory(deployment.aws)
    with caplog.at_level(logging.DEBUG, logger="botocore.endpoint"):
        found = doctor()
    assert {name for name, (verdict, _) in found.items() if verdict != "ok"} == NOT_SEEN_HERE
    called = set(re.findall(r"OperationModel\(name=(\w+)\)", caplog.text))
    assert called
    assert {each for each in called if not re.match("Describe|Get|List|Head|Query", each)} == set()
    assert inventory(deployment.aws) == before
    assert "x86_64" in found["image"][1]
    assert "4 groups, kept for 14 days." in found["logs"][1]
    assert found["idle"][1] == "No instance is on."
    assert "have project=aistratus and env=dev" in found["tags"][1]


def test_it_is_told_to_people(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--env", "dev"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ok        terraform        Terraform 1.")
    assert lines[-1] == f"dev: {len(NAMES) - 2} ok, 0 problem, 2 not seen."


def test_what_is_not_deployed_is_not_seen(doctor: Callable[..., Findings]) -> None:
    found = doctor(env="prod")
    assert found["registry"][0] == "not seen"
    assert "prod is not deployed in eu-central-1." in found["registry"][1]
    for check in OF_WHAT_IS_DEPLOYED:
        assert found[check.name] == found["registry"]
    assert "There is no image for the workers" in only(found, "image")


def test_without_credentials_nothing_is_seen(
    doctor: Callable[..., Findings], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.delenv("AWS_ACCESS_KEY_ID")
        patch.delenv("AWS_SECRET_ACCESS_KEY")
        found = doctor()
    assert "no usable AWS credentials" in only(found, "credentials")
    assert {found[each.name][0] for each in (*OF_THE_ACCOUNT, *OF_WHAT_IS_DEPLOYED)} == {"not seen"}


def test_without_terraform(
    doctor: Callable[..., Findings], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        assert "Terraform is not installed." in only(doctor(), "terraform")


def test_a_quota_that_has_fallen(doctor: Callable[..., Findings], quotas: Quotas) -> None:
    quotas.vcpus = {"L-DB2E81BA": 0.0, "L-3819A6DF": 0.0}
    assert "neither Spot nor on-demand GPU instances" in only(doctor(), "quotas")
    quotas.vcpus = {"L-DB2E81BA": 8.0, "L-3819A6DF": 0.0}
    verdict, says = doctor()["quotas"]
    assert verdict == "ok"
    assert "only on-demand ones will start" in says
    quotas.vcpus = {}
    assert doctor()["quotas"][0] == "not seen"


def test_a_start_that_the_quota_forbids(
    deployment: Deployment,
    account: Account,
    doctor: Callable[..., Findings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    capacity = ScarceCapacity(is_spot_out=True, failure=NO_QUOTA)
    gate = Gate(
        Role.of("everything", EVERYTHING),
        deployment.emulator_url,
        lambda name: f"arn:aws:autoscaling:eu-central-1:{account.id}:autoScalingGroup:{name}",
        capacity.answer,
        capacity.amend,
    )
    main(["start", "--env", "dev"])
    with open_gates(gate), monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_AUTO_SCALING", gate.url)
        verdict, says = doctor()["starts"]
    assert verdict == "problem"
    assert says.startswith("AWS allows this account no more GPU instances; ask for a higher quota")


def test_an_image_that_is_gone(deployment: Deployment, doctor: Callable[..., Findings]) -> None:
    assert "is not in eu-central-1" in only(doctor("--image-id", "ami-0123456789abcdef0"), "image")


def test_dead_letters(deployment: Deployment, doctor: Callable[..., Findings]) -> None:
    sqs = deployment.aws("sqs")
    url = sqs.get_queue_url(QueueName="aistratus-dev-jobs-dlq.fifo")["QueueUrl"]
    sqs.send_message(
        QueueUrl=url, MessageBody="x", MessageGroupId="g", MessageDeduplicationId=str(time.time())
    )
    try:
        assert only(doctor(), "dead-letters") == (
            "There are 1 dead letters. See why with: make redrive ENV=dev REGION=eu-central-1"
        )
    finally:
        sqs.purge_queue(QueueUrl=url)


def test_an_alarm(deployment: Deployment, doctor: Callable[..., Findings]) -> None:
    watch = deployment.aws("cloudwatch")

    def ring(value: str) -> None:
        watch.set_alarm_state(
            AlarmName="aistratus-dev-gpu-idle", StateValue=value, StateReason="a test"
        )

    ring("ALARM")
    try:
        said = only(doctor(), "alarms")
        assert said.startswith("aistratus-dev-gpu-idle since 20")
        assert "Turn it off with make stop ENV=dev" in said
    finally:
        ring("OK")


def test_functions_that_fail_or_are_not_called(
    deployment: Deployment, doctor: Callable[..., Findings]
) -> None:
    def count(function: str, metric: str, value: float) -> None:
        deployment.aws("cloudwatch").put_metric_data(
            Namespace="AWS/Lambda",
            MetricData=[
                {
                    "MetricName": metric,
                    "Dimensions": [{"Name": "FunctionName", "Value": function}],
                    "Value": value,
                }
            ],
        )

    count("aistratus-dev-steward", "Invocations", 5)
    verdict, says = doctor()["steward"]
    assert (verdict, says) == ("ok", "Ready; 5 calls in the last hour, none failed.")
    count("aistratus-dev-router", "Invocations", 7)
    count("aistratus-dev-router", "Errors", 2)
    said = only(doctor(), "router")
    assert said.startswith("2 of 7 calls of aistratus-dev-router failed in the last hour.")
    count("aistratus-dev-router", "Errors", -2)

    events = deployment.aws("events")
    events.disable_rule(Name="aistratus-dev-steward")
    try:
        assert "aws events enable-rule --name aistratus-dev-steward" in only(doctor(), "steward")
    finally:
        events.enable_rule(Name="aistratus-dev-steward")


def test_logs_that_are_kept_for_ever(
    deployment: Deployment, doctor: Callable[..., Findings]
) -> None:
    logs = deployment.aws("logs")
    logs.delete_retention_policy(logGroupName="/aistratus/dev/worker")
    try:
        said = only(doctor(), "logs")
        assert said.startswith("/aistratus/dev/worker keeps everything for ever.")
        assert said.endswith("make deploy ENV=dev REGION=eu-central-1")
    finally:
        logs.put_retention_policy(logGroupName="/aistratus/dev/worker", retentionInDays=14)


def test_ids_that_are_missing_or_lead_nowhere(
    deployment: Deployment, doctor: Callable[..., Findings]
) -> None:
    with changed(deployment, "jobs/table_name", "aistratus-gone"):
        found = doctor()
        assert found["ids"][0] == "problem"
        assert "jobs/table_name (aistratus-gone)" in found["ids"][1]
    with changed(deployment, "models", None):
        assert "lacks models." in only(doctor(), "registry")


def test_tags_that_were_taken_off(deployment: Deployment, doctor: Callable[..., Findings]) -> None:
    functions = deployment.aws("lambda")
    name = "aistratus-dev-router"
    arn = functions.get_function_configuration(FunctionName=name)["FunctionArn"]
    functions.untag_resource(Resource=arn, TagKeys=["env"])
    try:
        said = only(doctor(), "tags")
        assert said.startswith("Without the tags project=aistratus and env=dev: the router.")
    finally:
        functions.tag_resource(Resource=arn, Tags={"env": "dev"})


def test_a_budget(
    deployment: Deployment, account: Account, doctor: Callable[..., Findings]
) -> None:
    assert doctor()["budget"][1].startswith("None is set.")
    deployment.aws("budgets").create_budget(
        AccountId=account.id,
        Budget={
            "BudgetName": "aistratus-dev",
            "BudgetType": "COST",
            "TimeUnit": "MONTHLY",
            "BudgetLimit": {"Amount": "20", "Unit": "USD"},
        },
    )
    try:
        verdict, says = doctor()["budget"]
        assert verdict == "ok"
        assert "of 20.00 USD of this month are spent." in says
    finally:
        deployment.aws("budgets").delete_budget(AccountId=account.id, BudgetName="aistratus-dev")


def test_a_state_that_somebody_holds(
    deployment: Deployment, account: Account, doctor: Callable[..., Findings]
) -> None:
    bucket = state.bucket_name(account, "aistratus")
    state.make_bucket(account, bucket)
    lock = {"ID": "0c7d", "Operation": "OperationTypeApply", "Who": "ada@engine", "Created": "now"}
    s3, key = account.client("s3"), "dev/terraform.tfstate.tflock"
    s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(lock).encode())
    try:
        assert "ada@engine" in only(doctor(), "state-lock")
    finally:
        s3.delete_object(Bucket=bucket, Key=key)
        s3.delete_bucket(Bucket=bucket)


def test_an_instance_that_is_on_for_nothing(
    deployment: Deployment, account: Account, doctor: Callable[..., Findings]
) -> None:
    main(["start", "--env", "dev"])
    found = doctor()
    assert found["idle"][0] == "ok"
    assert "off after 10 min. On: i-" in found["idle"][1]
    # An hour later; the instance is as old as the emulator says.
    longer_ago(deployment, "changed_at", "active_at")
    assert doctor()["idle"][0] == "ok", "an instance that has just come is not idle"


def test_a_table_and_a_group_that_do_not_agree(
    deployment: Deployment, account: Account, doctor: Callable[..., Findings]
) -> None:
    main(["start", "--env", "dev"])
    deployment.aws("autoscaling").set_desired_capacity(
        AutoScalingGroupName=deployment.outputs()["group_name"], DesiredCapacity=0
    )
    assert doctor()["fleet"][0] == "ok", "the steward has a minute for it"
    longer_ago(deployment, "changed_at", "active_at")
    said = only(doctor(), "fleet")
    assert said.startswith("The table has wanted the GPU on for 1 h 0 min, and the group")
    assert "aws logs tail /aws/lambda/aistratus-dev-steward" in said


def test_what_keeps_the_fleet_from_starting(
    deployment: Deployment, account: Account, doctor: Callable[..., Findings]
) -> None:
    main(["start", "--env", "dev"])
    deployment.aws("dynamodb").update_item(
        TableName=deployment.outputs()["table_name"],
        Key=table.group_key(),
        UpdateExpression="SET problem = :said",
        ExpressionAttributeValues={":said": {"S": "AWS allows this account no more."}},
    )
    assert only(doctor(), "fleet") == "AWS allows this account no more."


def longer_ago(deployment: Deployment, *times: str) -> None:
    """As if an hour had passed."""
    then = codec.format_time(datetime.now(UTC) - timedelta(hours=1))
    deployment.aws("dynamodb").update_item(
        TableName=deployment.outputs()["table_name"],
        Key=table.group_key(),
        UpdateExpression="SET " + ", ".join(f"{name} = :then" for name in times),
        ExpressionAttributeValues={":then": {"S": then}},
    )


@contextmanager
def changed(deployment: Deployment, name: str, value: str | None) -> Iterator[None]:
    """The registry with another value, or without one, for the length of a block."""
    ssm: Any = deployment.aws("ssm")
    full = f"/aistratus/dev/{name}"
    before = ssm.get_parameter(Name=full)["Parameter"]["Value"]
    if value is None:
        ssm.delete_parameter(Name=full)
    else:
        ssm.put_parameter(Name=full, Value=value, Type="String", Overwrite=True)
    try:
        yield
    finally:
        ssm.put_parameter(Name=full, Value=before, Type="String", Overwrite=True)
