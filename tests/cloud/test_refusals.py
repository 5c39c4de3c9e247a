"""What can be wrong before a deployment: one sentence each, with what to do, and nothing made."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from aistratus_operator.cloud import state
from aistratus_operator.cloud.aws import Account, sign_in
from aistratus_operator.cloud.bootstrap import is_complete
from aistratus_operator.cloud.capacity import check_offerings, check_quotas
from aistratus_operator.cloud.deploy import Options, check, deploy, plan
from aistratus_operator.cloud.destroy import destroy
from aistratus_operator.cloud.environments import Environment, load
from aistratus_operator.cloud.images import choose, publish
from aistratus_operator.cloud.stack import open_stack
from support.cloud_account import Quotas, make_image, refusal, refusing, scripted

pytestmark = pytest.mark.needs("terraform")


@pytest.fixture
def dev() -> Environment:
    return load("dev", "eu-central-1")


def buckets(account: Account) -> list[str]:
    return [bucket["Name"] for bucket in account.client("s3").list_buckets()["Buckets"]]


@pytest.mark.parametrize("name", ["", "stage", "../dev", "DEV", "dev "])
def test_an_environment_that_there_is_not(name: str, account: Account) -> None:
    before = buckets(account)
    text = refusal(lambda: deploy(name))
    assert "ENV=dev or ENV=prod" in text
    assert buckets(account) == before


@pytest.mark.parametrize("region", ["mars-1", "eu-central-9", "frankfurt", "eu-central-1a"])
def test_a_region_that_there_is_not(region: str) -> None:
    assert region in refusal(lambda: load("dev", region))


def test_a_file_that_is_named_for_another_environment(tmp_path: Path) -> None:
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs" / "qa.tfvars").write_text('env = "dev"\n')
    (tmp_path / "variables.tf").write_text("")
    assert 'write env = "qa"' in refusal(lambda: load("qa", folder=tmp_path))


def test_no_credentials(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    text = refusal(lambda: deploy("dev"))
    assert "no usable AWS credentials" in text
    assert "aws sso login" in text


def test_a_profile_that_is_not_there(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert "AWS_PROFILE names nobody" in refusal(lambda: sign_in("eu-central-1"))


@pytest.mark.parametrize(
    ("code", "said"),
    [("ExpiredToken", "have expired"), ("InvalidClientTokenId", "does not accept")],
)
def test_credentials_that_are_no_good(
    code: str, said: str, aws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scripted(refusing(code)) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        assert said in refusal(lambda: sign_in("eu-central-1"))


def test_aws_is_not_there(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    assert "cannot be reached" in refusal(lambda: sign_in("eu-central-1"))


def test_no_image_yet(account: Account, tmp_path: Path) -> None:
    text = refusal(lambda: choose(account, "aistratus", manifest=tmp_path / "none.json"))
    assert "no image for the workers in eu-central-1 yet" in text
    assert "make image REGION=eu-central-1" in text


@pytest.mark.parametrize("image_id", ["ami-1", "worker", "ami-0123456789abcdeg0", " "])
def test_an_image_id_that_is_none(image_id: str, account: Account) -> None:
    assert "is no image id" in refusal(lambda: choose(account, "aistratus", image_id))


def test_an_image_that_is_not_in_the_region(image_id: str, aws: str) -> None:
    elsewhere = sign_in("us-east-1")
    text = refusal(lambda: choose(elsewhere, "aistratus", image_id))
    assert "is not in us-east-1" in text


def test_an_image_that_is_gone(account: Account) -> None:
    assert "is not in" in refusal(lambda: choose(account, "aistratus", "ami-0123456789abcdef0"))


def test_a_manifest_that_packer_has_not_written(account: Account, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    for text in ("", "{}", "[]", '{"builds": [1], "last_run_uuid": "a"}'):
        manifest.write_text(text)
        assert "not what Packer writes" in refusal(
            lambda: choose(account, "aistratus", manifest=manifest)
        )


def test_the_last_bake_counts(account: Account, image_id: str, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    builds = [
        {"packer_run_uuid": "old", "artifact_id": "eu-central-1:ami-00000000"},
        {
            "packer_run_uuid": "new",
            "artifact_id": f"us-east-1:ami-11111111,eu-central-1:{image_id}",
            "custom_data": {"weights_device": "/dev/sdf"},
        },
    ]
    manifest.write_text(json.dumps({"builds": builds, "last_run_uuid": "new"}))
    found = choose(account, "aistratus", manifest=manifest)
    assert (found.id, found.weights_device) == (image_id, "/dev/sdf")


def test_without_a_bake_the_published_image_counts(
    account: Account, image_id: str, tmp_path: Path
) -> None:
    none = tmp_path / "none.json"
    assert "Name one with IMAGE_ID" in refusal(lambda: publish(account, "published", manifest=none))
    publish(account, "published", image_id, none)
    found = choose(account, "published", manifest=none)
    assert (found.id, found.found_in) == (image_id, "/published/images/worker")


def test_a_quota_of_nothing(account: Account, dev: Environment, quotas: Quotas) -> None:
    quotas.vcpus = {"L-DB2E81BA": 0.0, "L-3819A6DF": 0.0}
    text = refusal(lambda: check_quotas(account, dev))
    assert "neither Spot nor on-demand GPU instances in eu-central-1" in text
    assert (
        "aws service-quotas request-service-quota-increase --service-code ec2 "
        "--quota-code L-DB2E81BA --desired-value 4 --region eu-central-1"
    ) in text
    assert "console.aws.amazon.com/servicequotas" in text


@pytest.mark.parametrize(
    ("vcpus", "said"),
    [
        ({"L-DB2E81BA": 8.0, "L-3819A6DF": 8.0}, ""),
        ({"L-DB2E81BA": 8.0, "L-3819A6DF": 0.0}, "only on-demand ones will start"),
        ({"L-DB2E81BA": 3.0, "L-3819A6DF": 4.0}, "only Spot ones will start"),
        ({"L-DB2E81BA": 8.0}, "quota for Spot GPU instances could not be read"),
        ({}, "quota for Spot and on-demand GPU instances could not be read"),
    ],
)
def test_a_quota_of_one_kind_is_a_warning(
    vcpus: dict[str, float], said: str, account: Account, dev: Environment, quotas: Quotas
) -> None:
    quotas.vcpus = vcpus
    warnings = check_quotas(account, dev)
    assert said in " ".join(warnings)
    assert len(warnings) == (1 if said else 0)


def test_a_region_without_the_instances(aws: str) -> None:
    sydney = load("dev", "ap-southeast-4")
    text = refusal(lambda: check_offerings(sign_in(sydney.region), sydney))
    assert f"ap-southeast-4 has none of {', '.join(sydney.instance_types)}" in text
    assert "Set another REGION" in text


def test_a_region_with_others(aws: str) -> None:
    dublin = load("dev", "eu-west-1")
    account = sign_in(dublin.region)
    offered = check_offerings(account, dublin)
    assert "g6.xlarge" not in offered
    only_g6 = replace(dublin, instance_types=("g6.xlarge",))
    text = refusal(lambda: check_offerings(account, only_g6))
    assert f"It has {', '.join(sorted(offered))}: set instance_types" in text


def test_a_state_that_somebody_holds(account: Account, image_id: str) -> None:
    stack = open_stack("prod")
    state.make_bucket(account, stack.bucket)
    lock = {
        "ID": "0c7d0f5e",
        "Operation": "OperationTypeApply",
        "Who": "ada@engine",
        "Created": "2026-01-02T03:04:05.678Z",
    }
    s3 = account.client("s3")
    key = "prod/terraform.tfstate.tflock"
    s3.put_object(Bucket=stack.bucket, Key=key, Body=json.dumps(lock).encode())
    try:
        options = Options(image_id=image_id, out=io.StringIO())
        text = refusal(lambda: check(stack, options))
        assert "ada@engine, since 2026-01-02 03:04:05 UTC (apply)" in text
        assert "make unlock ENV=prod REGION=eu-central-1 LOCK=0c7d0f5e" in text
        assert not is_complete(account, "aistratus")
    finally:
        s3.delete_object(Bucket=stack.bucket, Key=key)
    assert check(stack, Options(image_id=image_id, out=io.StringIO())).id == image_id


def test_what_is_not_deployed_is_not_there_to_remove_or_to_plan(aws: str, image_id: str) -> None:
    assert "is not deployed in eu-north-1" in refusal(lambda: destroy("dev", "eu-north-1"))
    there = make_image(sign_in("eu-north-1"))
    text = refusal(lambda: plan("dev", "eu-north-1", Options(image_id=there, out=io.StringIO())))
    assert "make bootstrap REGION=eu-north-1" in text


def test_terraform_is_not_there_or_is_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "Terraform is not installed" in refusal(lambda: open_stack("dev"))
    for version, said in (("1.9.8", "1.9.8 is too old"), ("", "does not say which")):
        program = tmp_path / "terraform"
        answer = json.dumps({"terraform_version": version})
        program.write_text(f"#!/bin/sh\necho '{answer}'\n")
        program.chmod(0o755)
        assert said in refusal(lambda: open_stack("dev"))
