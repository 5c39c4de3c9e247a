"""An operator redrives a deployment by its name: what the dead-letter alarm says to do."""

import json
import os

import pytest

from aistratus_contracts.registry import Parameter
from aistratus_operator.cloud.aws import Account
from aistratus_operator.program import main
from support.router_api import Emulator

PREFIX = "/aistratus/dev"


@pytest.fixture
def dead_letter(account: Account, aws: str) -> str:
    """A message in the dead-letter queue of dev; its id."""
    emulator = Emulator(aws)
    ssm, sqs = account.client("ssm"), account.client("sqs")
    for parameter in Parameter:
        ssm.delete_parameters(Names=[parameter.under(PREFIX)])
    emulator.register(PREFIX, *emulator.create(), emulator.create_group())
    name = Parameter.DEAD_LETTER_QUEUE_URL.under(PREFIX)
    sent = sqs.send_message(
        QueueUrl=ssm.get_parameter(Name=name)["Parameter"]["Value"],
        MessageBody="nobody reads this",
        MessageGroupId="somebody",
        MessageDeduplicationId="once",
    )
    return str(sent["MessageId"])


def test_what_lies_there_is_listed_and_removed(
    dead_letter: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["redrive", "--env", "dev", "--json"]) == 0
    (letter,) = json.loads(capsys.readouterr().out)
    assert (letter["message_id"], letter["fate"]) == (dead_letter, "unreadable")
    assert main(["redrive", "--env", "dev", "--all", "--delete"]) == 0
    capsys.readouterr()
    assert main(["redrive", "--env", "dev"]) == 0
    assert capsys.readouterr().out == "The dead-letter queue is empty.\n"


def test_what_is_not_deployed_is_a_sentence(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["redrive", "--env", "prod", "--region", account.region]) == 1
    assert capsys.readouterr().err.startswith("prod is not deployed in eu-central-1")


def test_a_wrong_request_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["redrive", "--env", "dev", "--all", "--job", "job-" + "a" * 24]) == 2
    assert capsys.readouterr().err == "Say either --all or --job, not both.\n"


def test_a_list_that_nobody_reads_ends_quietly(
    dead_letter: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as out:
        monkeypatch.setattr("sys.stdout", out)
        assert main(["redrive", "--env", "dev"]) == 0
    assert "Traceback" not in capsys.readouterr().err
