"""What the local part's tests share: an emulator of their own, in a process of its own."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from support.emulator_process import aws_environment, client, running_emulator_process

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient


@pytest.fixture(scope="session")
def emulator_url() -> Iterator[str]:
    with running_emulator_process() as url:
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
