"""The emulator's DynamoDB keeps a transaction in one piece, whoever else writes meanwhile."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from aistratus_contracts import table
from aistratus_contracts.event import Delta
from aistratus_contracts.job import Cursor, Job, Sampling, new_conversation_id, new_job_id
from aistratus_contracts.states import JobState
from aistratus_local.provision import client

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
        Sampling(10, 0.0),
        NOW,
        table.expiry_of(NOW),
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


def test_a_stale_append_is_refused_and_leaves_nothing(
    dynamodb: "DynamoDBClient", name: str
) -> None:
    record = stored_record(dynamodb, name)
    first = delta(record, name, "first")
    dynamodb.transact_write_items(TransactItems=first.transact_items)
    with pytest.raises(ClientError) as caught:
        dynamodb.transact_write_items(TransactItems=delta(record, name, "second").transact_items)
    assert caught.value.response["Error"]["Code"] == "TransactionCanceledException"
    reasons: Any = caught.value.response.get("CancellationReasons")
    assert [reason["Code"] for reason in reasons] == [
        "ConditionalCheckFailed",
        "ConditionalCheckFailed",
    ]
    found = items_of(dynamodb, name, table.job_partition(record.job.job_id))
    assert [table.read_event(i).body for i in found if table.is_event(i)] == [Delta("first", (1,))]


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
    assert table.read_meta(found[-1]).cursor == record.cursor


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


def test_a_transaction_with_one_bad_part_writes_no_part(
    dynamodb: "DynamoDBClient", name: str
) -> None:
    pk = f"USER#{uuid.uuid4().hex}"
    put: Any = {"TableName": name, "Item": {"pk": {"S": pk}, "sk": {"S": "a"}, "n": {"S": "text"}}}
    add: Any = {
        "TableName": name,
        "Key": {"pk": {"S": pk}, "sk": {"S": "b"}},
        "UpdateExpression": "SET n = missing + :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    with pytest.raises(ClientError):
        dynamodb.transact_write_items(TransactItems=[{"Put": put}, {"Update": add}])
    assert items_of(dynamodb, name, pk) == []


def test_one_item_twice_in_a_transaction_is_refused(dynamodb: "DynamoDBClient", name: str) -> None:
    key = {"pk": {"S": "P"}, "sk": {"S": "a"}}
    twice = [{"Put": {"TableName": name, "Item": key}}, {"Delete": {"TableName": name, "Key": key}}]
    with pytest.raises(ClientError, match="multiple operations on one item"):
        dynamodb.transact_write_items(TransactItems=twice)  # type: ignore[arg-type]


def test_queries_find_by_range_page_and_local_index(dynamodb: "DynamoDBClient", name: str) -> None:
    pk = f"USER#{uuid.uuid4().hex}"
    for number in range(30):
        item = {
            "pk": {"S": pk},
            "sk": {"S": f"EV#{number:03d}"},
            table.RECENCY_ATTRIBUTE: {"S": f"{99 - number:02d}"},
        }
        dynamodb.put_item(TableName=name, Item=item)

    def query(condition: str, **values: str) -> list[str]:
        answer = dynamodb.query(
            TableName=name,
            KeyConditionExpression=f"pk = :pk AND {condition}",
            ExpressionAttributeValues={
                ":pk": {"S": pk},
                **{f":{key}": {"S": value} for key, value in values.items()},
            },
        )
        return [item["sk"]["S"] for item in answer["Items"]]

    assert query("sk > :a", a="EV#027") == ["EV#028", "EV#029"]
    assert query("sk >= :a", a="EV#028") == ["EV#028", "EV#029"]
    assert query("sk < :a", a="EV#002") == ["EV#000", "EV#001"]
    assert query("sk <= :a", a="EV#001") == ["EV#000", "EV#001"]
    assert query("begins_with(sk, :a)", a="EV#01")[0] == "EV#010"
    assert query("sk BETWEEN :a AND :b", a="EV#003", b="EV#005") == ["EV#003", "EV#004", "EV#005"]
    pages: list[str] = []
    more: dict[str, Any] = {}
    while True:
        answer = dynamodb.query(
            TableName=name,
            KeyConditionExpression="pk = :pk AND sk > :a",
            ExpressionAttributeValues={":pk": {"S": pk}, ":a": {"S": "EV#004"}},
            Limit=10,
            **more,
        )
        pages += [item["sk"]["S"] for item in answer["Items"]]
        if "LastEvaluatedKey" not in answer:
            break
        more = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
    assert pages == [f"EV#{number:03d}" for number in range(5, 30)]
    recent = items_of(
        dynamodb, name, pk, IndexName=table.RECENCY_INDEX, ScanIndexForward=False, Limit=2
    )
    assert [item["sk"]["S"] for item in recent] == ["EV#000", "EV#001"]
