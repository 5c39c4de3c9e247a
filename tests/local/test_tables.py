"""The emulator's DynamoDB keeps a transaction in one piece, whoever else writes meanwhile.

Its everyday calls take a short way past moto. The two ways lead to the same place.
"""

import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

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


def outcome(call: Callable[..., Any], **arguments: Any) -> Any:
    """What a call answers or is refused with, without what is drawn for each answer."""
    try:
        answer = call(**arguments)
    except ClientError as error:
        answer = dict(error.response)
    answer.pop("ResponseMetadata")
    answer.pop("ConsumedCapacity", None)
    answer.pop("ItemCollectionMetrics", None)
    return answer


# What moto knows and the short way does not: whoever says this is sent to moto.
LONG_WAY: dict[str, Any] = {"ReturnConsumedCapacity": "NONE"}
KEYS = ("EV#1", "EV#2", "META")
PLAIN: list[Any] = [{"S": "x"}, {"S": "1"}, {"S": ""}, {"N": "1"}, {"N": "-20"}, {"BOOL": True}]
RARE: list[Any] = [
    {"NULL": True},
    {"N": "1.50"},
    {"N": "01"},
    {"SS": ["a"]},
    {"SS": []},
    {"M": {"deep": {"L": [{"N": "1"}, {"S": "x"}]}}},
]
ONE: dict[str, Any] = {":a": {"N": "1"}}
# An item with this is refused. From an update moto takes it, and stumbles over it later.
NO_NUMBER = {"N": "no"}
CONDITIONS: list[dict[str, Any]] = [
    {},
    {"ConditionExpression": "attribute_not_exists(pk)"},
    {"ConditionExpression": "attribute_not_exists(a)"},
    {"ConditionExpression": "a = :a", "ExpressionAttributeValues": ONE},
    {
        "ConditionExpression": "attribute_not_exists(b) AND #n = :a",
        "ExpressionAttributeNames": {"#n": "a"},
        "ExpressionAttributeValues": ONE,
    },
]
RARE_CONDITIONS: list[dict[str, Any]] = [
    {"ConditionExpression": "attribute_exists(pk)"},
    {
        "ConditionExpression": "attribute_not_exists(b) OR a = :a",
        "ExpressionAttributeValues": ONE,
    },
    {"ConditionExpression": "attribute_not_exists(state)"},
    {"ConditionExpression": "attribute_not_exists(c)", "ExpressionAttributeNames": {"#n": "c"}},
    {"ConditionExpression": "attribute_not_exists(c)", "ExpressionAttributeValues": ONE},
    {"ConditionExpression": "attribute_not_exists(c)", "ExpressionAttributeValues": {}},
]
CHANGES = ["SET b = :n", "SET a = :n"]
RARE_CHANGES = ["SET a = :n, b = :n", "SET a = :n, a = :n", "SET sk = :n", "ADD a :n", "REMOVE a"]


@st.composite
def mostly(draw: st.DrawFn, usual: Sequence[Any], rare: Sequence[Any]) -> Any:
    """What a program sends, and now and then what it should not."""
    return draw(st.sampled_from(rare if draw(st.integers(0, 9)) == 0 else usual))


@st.composite
def items(draw: st.DrawFn) -> dict[str, Any]:
    item = {"sk": {"S": draw(mostly(KEYS, [""]))}}
    for name in draw(st.sets(st.sampled_from(["a", "b", "listed_at"]))):
        item[name] = draw(mostly(PLAIN, [*RARE, NO_NUMBER]))
    return item


@st.composite
def writes(draw: st.DrawFn) -> dict[str, Any]:
    condition = draw(mostly(CONDITIONS, RARE_CONDITIONS))
    kind = draw(st.sampled_from(["Put", "Update", "Delete"]))
    if kind == "Delete":
        unconditional = draw(mostly([{}], CONDITIONS))
        return {"Delete": {"Key": {"sk": {"S": draw(mostly(KEYS, [""]))}}, **unconditional}}
    if kind == "Put":
        return {"Put": {"Item": draw(items()), **condition}}
    new = {":n": draw(mostly(PLAIN, RARE))}
    return {
        "Update": {
            "Key": {"sk": {"S": draw(mostly(KEYS, [""]))}},
            **condition,
            "UpdateExpression": draw(mostly(CHANGES, RARE_CHANGES)),
            "ExpressionAttributeValues": {**condition.get("ExpressionAttributeValues", {}), **new},
        }
    }


def in_partition(write: dict[str, Any], name: str, pk: str) -> dict[str, Any]:
    ((kind, operation),) = write.items()
    part = "Item" if "Item" in operation else "Key"
    full = {"pk": {"S": pk}, **operation[part]}
    return {kind: {"TableName": name, **operation, part: full}}


@given(st.lists(st.lists(writes(), min_size=1, max_size=3), min_size=1, max_size=8))
@settings(deadline=None, max_examples=100)
def test_the_short_way_and_moto_s_agree_on_what_is_written_and_what_is_refused(
    dynamodb: "DynamoDBClient", name: str, transactions: list[list[dict[str, Any]]]
) -> None:
    partitions = f"JOB#{uuid.uuid4().hex}", f"JOB#{uuid.uuid4().hex}"
    for transaction in transactions:
        one, other = (
            outcome(
                dynamodb.transact_write_items,
                TransactItems=[in_partition(write, name, pk) for write in transaction],
                **more,
            )
            for pk, more in zip(partitions, ({}, LONG_WAY), strict=True)
        )
        assert one == other
    short, long = (items_of(dynamodb, name, pk) for pk in partitions)
    assert [without_partition(item) for item in short] == [without_partition(i) for i in long]


def without_partition(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key != "pk"}


@given(items(), mostly(CONDITIONS, RARE_CONDITIONS))
@settings(deadline=None, max_examples=100)
def test_the_short_way_and_moto_s_put_the_same(
    dynamodb: "DynamoDBClient", name: str, item: dict[str, Any], condition: dict[str, Any]
) -> None:
    partitions = f"JOB#{uuid.uuid4().hex}", f"JOB#{uuid.uuid4().hex}"
    found = []
    for pk, more in zip(partitions, ({}, LONG_WAY), strict=True):
        full = {"pk": {"S": pk}, **item}
        refused = outcome(dynamodb.put_item, TableName=name, Item=full, **condition, **more)
        found.append((refused, [without_partition(i) for i in items_of(dynamodb, name, pk)]))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "condition",
    [
        "",
        " AND sk > :a",
        " AND sk >= :a",
        " AND sk < :a",
        " AND sk = :a",
        " AND begins_with(sk, :a)",
        " AND begins_with(sk, :a) ",
        " AND sk > :b",
        " AND pk > :a",
        " AND sk BETWEEN :a AND :c",
        " AND sk BETWEEN :c AND :a",
        " AND sk BETWEEN :a AND :a",
    ],
)
@pytest.mark.parametrize("limit", [None, 2, 3, 10])
@pytest.mark.parametrize("forward", [None, True, False])
def test_the_short_way_and_moto_s_find_the_same(
    dynamodb: "DynamoDBClient", name: str, condition: str, limit: int | None, forward: bool | None
) -> None:
    pk = f"JOB#{uuid.uuid4().hex}"
    for sk in ("EV#1", "EV#2", "EV#3", "META"):
        rare: Any = {"deep": {"M": {"x": {"L": [{"N": "1"}]}}}, "set": {"SS": ["b", "a"]}}
        dynamodb.put_item(TableName=name, Item={"pk": {"S": pk}, "sk": {"S": sk}, **rare})
    asked: dict[str, Any] = {
        "TableName": name,
        "KeyConditionExpression": f"pk = :pk{condition}",
        "ExpressionAttributeValues": {":pk": {"S": pk}},
        "ConsistentRead": True,
    }
    for word, value in ((":a", "EV#2"), (":c", "EV#3")):
        if word in condition:
            asked["ExpressionAttributeValues"][word] = {"S": value}
    if forward is not None:
        asked["ScanIndexForward"] = forward
    if limit is not None:
        asked["Limit"] = limit
    assert outcome(dynamodb.query, **asked) == outcome(dynamodb.query, **asked, **LONG_WAY)


@pytest.mark.parametrize("sk", ["EV#1", "nothing", ""])
def test_the_short_way_and_moto_s_get_the_same(
    dynamodb: "DynamoDBClient", name: str, sk: str
) -> None:
    pk = f"JOB#{uuid.uuid4().hex}"
    dynamodb.put_item(TableName=name, Item={"pk": {"S": pk}, "sk": {"S": "EV#1"}, "n": {"N": "7"}})
    asked: Any = {"TableName": name, "Key": {"pk": {"S": pk}, "sk": {"S": sk}}}
    assert outcome(dynamodb.get_item, **asked) == outcome(dynamodb.get_item, **asked, **LONG_WAY)


def test_an_item_of_more_than_400_kilobytes_is_refused(
    dynamodb: "DynamoDBClient", name: str
) -> None:
    item: Any = {"pk": {"S": "P"}, "sk": {"S": "big"}, "text": {"S": "x" * 410_000}}
    with pytest.raises(ClientError, match="exceeded"):
        dynamodb.put_item(TableName=name, Item=item)


def test_a_table_that_is_not_there_is_refused(dynamodb: "DynamoDBClient") -> None:
    with pytest.raises(ClientError, match="not found"):
        dynamodb.get_item(TableName="nowhere", Key={"pk": {"S": "a"}, "sk": {"S": "b"}})


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
