"""What the local part's tests share: an emulator of their own, in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from aistratus_local.provision import aws_environment, client

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient


@contextmanager
def started_emulator() -> Iterator[str]:
    """The URL of a fresh emulator."""
    with subprocess.Popen(
        [sys.executable, "-m", "aistratus_local.emulator", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            word, _, url = process.stdout.readline().strip().partition(" ")
            assert word == "ready"
            yield url
        finally:
            process.terminate()
            process.wait(10)


@pytest.fixture(scope="session")
def emulator_url() -> Iterator[str]:
    with started_emulator() as url:
        yield url


@pytest.fixture(scope="session")
def sqs(emulator_url: str) -> "SQSClient":
    made: SQSClient = client("sqs", emulator_url)
    return made


@pytest.fixture(scope="session")
def dynamodb(emulator_url: str) -> "DynamoDBClient":
    made: DynamoDBClient = client("dynamodb", emulator_url)
    return made


@pytest.fixture
def local_aws(emulator_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process's own AWS environment is the emulator's."""
    for name, value in aws_environment(emulator_url).items():
        monkeypatch.setenv(name, value)
