"""Every case runs on the doubles and on the emulator, whose tables answer in two ways."""

import json
import time
import uuid
from collections.abc import Callable, Iterator

import pytest

from aistratus_contracts import table
from support.conformance import QueueSide, TableSide
from support.doubles.aws import Client
from support.doubles.dynamodb import Table
from support.doubles.sqs import Queue, Queues
from support.emulator_process import client, running_emulator_process

MAX_RECEIVES = 3
# The emulator's short way does not know this parameter, so whoever sends it is answered by moto.
LONG_WAY = {"ReturnConsumedCapacity": "NONE"}


@pytest.fixture(scope="session")
def emulator_url() -> Iterator[str]:
    with running_emulator_process() as url:
        yield url


@pytest.fixture(scope="session")
def tables(emulator_url: str) -> dict[str, Callable[[], TableSide]]:
    """The three imitations: in memory, the emulator's short way, and moto."""
    name = "conformance"
    dynamodb = client("dynamodb", emulator_url)
    dynamodb.create_table(TableName=name, **table.TABLE_SCHEMA)
    memory = Client(Table(name).handle)
    return {
        "memory": lambda: TableSide(memory, name),
        "short way": lambda: TableSide(dynamodb, name),
        "moto": lambda: TableSide(dynamodb, name, LONG_WAY),
    }


@pytest.fixture(params=["memory", "short way", "moto"])
def side(request: pytest.FixtureRequest, tables: dict[str, Callable[[], TableSide]]) -> TableSide:
    return tables[request.param]()


@pytest.fixture(params=["memory", "emulator"])
def queue(request: pytest.FixtureRequest) -> QueueSide:
    if request.param == "memory":
        now = [0.0]
        dead = Queue("memory://dead.fifo", lambda: now[0])
        jobs = Queue("memory://jobs.fifo", lambda: now[0], dead, MAX_RECEIVES)

        def pass_time(seconds: float) -> None:
            now[0] += seconds

        return QueueSide(Client(Queues(jobs, dead).handle), jobs.url, dead.url, pass_time)
    sqs = client("sqs", request.getfixturevalue("emulator_url"))
    attributes = {
        "FifoQueue": "true",
        "DeduplicationScope": "messageGroup",
        "FifoThroughputLimit": "perMessageGroupId",
    }
    name = uuid.uuid4().hex
    dead_url = sqs.create_queue(QueueName=f"{name}-dead.fifo", Attributes=attributes)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])["Attributes"]
    policy = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": MAX_RECEIVES}
    url = sqs.create_queue(
        QueueName=f"{name}.fifo", Attributes={**attributes, "RedrivePolicy": json.dumps(policy)}
    )["QueueUrl"]
    return QueueSide(sqs, url, dead_url, time.sleep)
