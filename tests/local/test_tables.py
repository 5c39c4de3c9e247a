"""The emulator's DynamoDB keeps a transaction in one piece, whoever else writes meanwhile.

What it answers, and that its short way past moto answers the same, is for `tests/doubles`.
"""

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from aistratus_contracts import table
from aistratus_contracts.event import Delta, EventBody, StateChange
from aistratus_contracts.job import Cursor, Job, Sampling, new_conversation_id, new_job_id
from aistratus_contracts.states import FinishReason, JobState
from aistratus_local.emulator import serve
from aistratus_local.emulator.server import _Connection
from aistratus_router.store.jobs import JobStore
from aistratus_router.store.table import Table
from support.emulator_process import ACCEPTED, client

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def name(dynamodb: "DynamoDBClient") -> str:
    name = f"t-{uuid.uuid4().hex}"
    dynamodb.create_table(TableName=name, **table.TABLE_SCHEMA)
    return name


def stored_record(dynamodb: "DynamoDBClient", name: str) -> table.JobRecord:
    job = Job(
        new_job_id(),
        "owner",
        new_conversation_id(),
        1,
        "model",
        NOW,
        table.expiry_of(NOW),
        Sampling(10, 0.0),
    )
    record = table.JobRecord(job, Cursor(JobState.RUNNING, 1, 2))
    dynamodb.put_item(TableName=name, Item=table.meta_item(record))
    return record


def delta(record: table.JobRecord, name: str, text: str = "x") -> Any:
    return table.append(name, record, [Delta(text, (1,))], NOW)


def items_of(dynamodb: "DynamoDBClient", name: str, pk: str, **more: Any) -> list[Any]:
    return dynamodb.query(
        TableName=name,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": pk}},
        **more,
    )["Items"]


def test_of_many_that_append_at_once_one_wins_each_time(
    emulator_url: str, dynamodb: "DynamoDBClient", name: str
) -> None:
    record = stored_record(dynamodb, name)
    clients = [client("dynamodb", emulator_url) for _ in range(8)]

    def attempt(number: int, current: table.JobRecord) -> bool:
        append = delta(current, name, str(number))
        try:
            clients[number].transact_write_items(TransactItems=append.transact_items)
        except ClientError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        for _ in range(10):
            won = list(pool.map(attempt, range(8), [record] * 8))
            assert won.count(True) == 1
            cursor = replace(record.cursor, next_seq=record.cursor.next_seq + 1)
            record = table.JobRecord(record.job, cursor)
    found = items_of(dynamodb, name, table.job_partition(record.job.job_id))
    assert [table.read_event(i).seq for i in found if table.is_event(i)] == list(range(2, 12))
    assert replace(table.read_meta(found[-1]).cursor, append_id="") == record.cursor


def test_a_refused_transaction_takes_nobody_elses_writes_along(
    emulator_url: str, dynamodb: "DynamoDBClient", name: str
) -> None:
    stale = stored_record(dynamodb, name)
    dynamodb.transact_write_items(TransactItems=delta(stale, name).transact_items)
    writers = [client("dynamodb", emulator_url) for _ in range(4)]
    partition = f"USER#{uuid.uuid4().hex}"

    def put(number: int) -> None:
        for step in range(25):
            item = {"pk": {"S": partition}, "sk": {"S": f"{number}-{step:03d}"}}
            writers[number].put_item(TableName=name, Item=item)

    def fail() -> None:
        refused = delta(stale, name).transact_items
        for _ in range(50):
            with pytest.raises(ClientError):
                dynamodb.transact_write_items(TransactItems=refused)

    with ThreadPoolExecutor(5) as pool:
        done = [pool.submit(fail), *(pool.submit(put, number) for number in range(4))]
        for future in done:
            future.result()
    assert len(items_of(dynamodb, name, partition)) == 100


def test_a_job_s_everyday_calls_take_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the local system would be slow again, and nothing else would show it."""
    through_moto: list[str] = []
    real = _Connection._answer_from_moto

    def spy(connection: _Connection, environ: dict[str, Any]) -> None:
        through_moto.append(environ["HTTP_X_AMZ_TARGET"].partition(".")[2])
        real(connection, environ)

    monkeypatch.setattr(_Connection, "_answer_from_moto", spy)
    with serve(ACCEPTED) as server:
        dynamodb: DynamoDBClient = client("dynamodb", server.url)
        dynamodb.create_table(TableName="jobs", **table.TABLE_SCHEMA)
        record = stored_record(dynamodb, "jobs")
        first = table.append("jobs", record, [Delta("x", (1,))], NOW, unless_cancelled=True)
        end: list[EventBody] = [
            Delta("y", (2,)),
            StateChange(JobState.SUCCEEDED, FinishReason.STOP),
        ]
        last = table.append("jobs", replace(record, cursor=first.cursor), end, NOW)
        for append in (first, last):
            items: Any = append.transact_items
            dynamodb.transact_write_items(TransactItems=items)
        found = JobStore(Table(dynamodb, "jobs")).log_after(record.job.job_id, 1)
        dynamodb.get_item(TableName="jobs", Key=table.meta_key(record.job.job_id))
        dynamodb.put_item(
            TableName="jobs", Item=table.worker_item(table.SignOfLife("w", NOW, 1, 0))
        )
        with pytest.raises(ClientError):
            dynamodb.transact_write_items(TransactItems=first.transact_items)  # type: ignore[arg-type]
    assert found is not None
    assert [seq for seq, _ in found.events] == [2, 3, 4]
    assert through_moto == ["CreateTable", "TransactWriteItems"], "and what is refused, moto's"
