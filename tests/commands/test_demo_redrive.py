"""`make redrive` finds the demo that runs here, or says what to do."""

import json
import os
import subprocess
import sys
from pathlib import Path

from aistratus_contracts.models import Catalogue, ModelCard
from aistratus_local import state
from aistratus_local.provision import (
    DEAD_LETTER_QUEUE_NAME,
    REGION,
    Addresses,
    provision,
)
from aistratus_local.state import STATE_VARIABLE, StackState
from support.emulator_process import KEY, client

CARD = ModelCard("standin", "Stand-in", 2048, 256, 0.7, "Apache-2.0")


def test_the_demo_that_runs_here_is_found(emulator_url: str, tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    addresses = Addresses(emulator_url, nowhere, nowhere, nowhere)
    made = provision(addresses, KEY, Catalogue((CARD,)), [])
    sqs = client("sqs", emulator_url)
    sqs.send_message(
        QueueUrl=sqs.get_queue_url(QueueName=DEAD_LETTER_QUEUE_NAME)["QueueUrl"],
        MessageBody="nobody reads this",
        MessageGroupId="somebody",
        MessageDeduplicationId="once",
    )
    demo = StackState(
        pid=os.getpid(),
        model=CARD.id,
        app_url="",
        api_url=nowhere,
        login_url=nowhere,
        emulator_url=emulator_url,
        imds_url=nowhere,
        client_id=made.client_id,
        pool_id=made.pool_id,
        region=REGION,
        user="demo",
        password="secret",
        access_key_id=KEY.access_key_id,
        secret_access_key=KEY.secret_access_key,
    )
    with state.held(tmp_path):
        state.write(tmp_path, demo)
        listed = redrive(tmp_path, "--json")
        cleared = redrive(tmp_path, "--all", "--delete")
        again = redrive(tmp_path)

    assert listed.returncode == 0, listed.stderr
    assert [letter["fate"] for letter in json.loads(listed.stdout)] == ["unreadable"]
    assert cleared.returncode == 0, cleared.stderr
    assert again.stdout == "The dead-letter queue is empty.\n"


def test_without_a_demo_it_says_what_to_do(tmp_path: Path) -> None:
    told = redrive(tmp_path)

    assert told.returncode == 1
    assert told.stdout == ""
    assert "make demo" in told.stderr
    assert "make redrive ENV=dev" in told.stderr
    assert len(told.stderr.splitlines()) == 1


def test_a_port_that_is_none_is_named(tmp_path: Path) -> None:
    told = redrive(tmp_path, GATEWAY_PORT="many")

    assert told.returncode == 2
    assert told.stderr.startswith("GATEWAY_PORT is 'many'")


def redrive(folder: Path, *arguments: str, **changes: str) -> "subprocess.CompletedProcess[str]":
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("AISTRATUS_")
    }
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "aistratus_operator", "redrive", *arguments],
        env={**environment, STATE_VARIABLE: str(folder), **changes},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
