"""What AWS remembers for minutes, on the doubles' clock alone: the emulator's runs too slowly."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from support.doubles.dynamodb import TOKEN_SECONDS, Table
from support.doubles.sqs import ATTEMPT_SECONDS, DEDUPLICATION_SECONDS, Queue

SENT = {"MessageBody": "x", "MessageGroupId": "g", "MessageDeduplicationId": "d"}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("seconds", "messages"), [(-0.1, 1), (0.0, 2)])
def test_a_duplicate_is_known_for_five_minutes(seconds: float, messages: int) -> None:
    queue = Queue("jobs.fifo", clock := Clock())
    queue.send(SENT)
    clock.now = DEDUPLICATION_SECONDS + seconds
    queue.send(SENT)
    assert len(queue.messages) == messages


@pytest.mark.parametrize(("seconds", "found"), [(-0.1, 1), (0.0, 0)])
def test_a_receive_may_be_repeated_for_five_minutes(seconds: float, found: int) -> None:
    queue = Queue("jobs.fifo", clock := Clock())
    queue.send(SENT)
    queue.receive(1, 3600, "a")
    clock.now = ATTEMPT_SECONDS + seconds
    assert len(queue.receive(1, 3600, "a")) == found


def test_a_transaction_s_token_is_known_for_ten_minutes() -> None:
    table = Table("jobs", clock := Clock())
    put = {
        "TableName": "jobs",
        "Item": {"pk": {"S": "P"}, "sk": {"S": "a"}},
        "ConditionExpression": "attribute_not_exists(pk)",
    }
    call: dict[str, Any] = {"TransactItems": [{"Put": put}], "ClientRequestToken": "t"}
    table.handle("TransactWriteItems", call)
    clock.now = TOKEN_SECONDS - 0.1
    table.handle("TransactWriteItems", call)
    clock.now = TOKEN_SECONDS
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        table.handle("TransactWriteItems", call)


def test_what_the_table_does_not_know_is_said_aloud() -> None:
    table = Table("jobs")
    key = {"pk": {"S": "P"}, "sk": {"S": "a"}}
    asked: dict[str, Any] = {"TableName": "jobs", "Key": key}
    for call in (
        {**asked, "UpdateExpression": "REMOVE a"},
        {**asked, "UpdateExpression": "ADD a :a", "ExpressionAttributeValues": {":a": {"SS": []}}},
        {**asked, "ReturnValues": "ALL_NEW", "UpdateExpression": "REMOVE a"},
    ):
        with pytest.raises(NotImplementedError):
            table.handle("UpdateItem", call)
    with pytest.raises(NotImplementedError):
        table.handle("Scan", {"TableName": "jobs"})
