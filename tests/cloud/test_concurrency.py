"""How many functions may run at once is read before a deployment, and a small limit is told."""

import json

import pytest

from aistratus_operator.cloud.aws import Account
from aistratus_operator.cloud.concurrency import available_concurrency, concurrency_warning
from aistratus_operator.cloud.environments import load
from support.cloud_account import Concurrency, scripted

ACCOUNT = Account("123456789012", "eu-central-1", "arn:aws:iam::123456789012:user/ada")


def available(aws: Concurrency, monkeypatch: pytest.MonkeyPatch) -> int | None:
    """What the deploy tool reads in such an account."""
    with scripted(aws.answer) as url:
        for name, value in {
            "AWS_ENDPOINT_URL_LAMBDA": url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "NO_PROXY": "127.0.0.1",
        }.items():
            monkeypatch.setenv(name, value)
        return available_concurrency(ACCOUNT, load("dev", "eu-central-1"))


def test_what_functions_of_others_reserve_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    reserved = {"others": 300, "aistratus-dev-router": 20, "aistratus-dev-steward": 1}
    assert available(Concurrency(1000, reserved), monkeypatch) == 700
    assert available(Concurrency(10), monkeypatch) == 10


def test_functions_that_are_not_there_yet_reserve_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class New(Concurrency):
        def answer(self, path: bytes) -> tuple[int, str, str]:
            if path.decode().endswith("/concurrency"):
                body = json.dumps({"Type": "User", "__type": "ResourceNotFoundException"})
                return 404, "application/json", body
            return super().answer(path)

    assert available(New(10), monkeypatch) == 10


def test_a_limit_that_cannot_be_read_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert available(Concurrency(10, may_look=False), monkeypatch) is None
    assert "made for 10, as in a new account" in concurrency_warning(None, "eu-central-1")


def test_a_small_limit_is_told_with_the_way_to_a_larger_one() -> None:
    said = concurrency_warning(10, "eu-central-1")
    assert "may run only 10 functions at once here" in said
    assert "--quota-code L-B99A9384 --desired-value 1000 --region eu-central-1" in said
    assert concurrency_warning(100, "eu-central-1")
    assert concurrency_warning(101, "eu-central-1") == ""
