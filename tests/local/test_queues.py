"""The emulator's SQS under several pollers at once, and what the doubles do not have.

Who has a message, and what is refused, is for `tests/doubles`.
"""

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from support.emulator_process import client

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@pytest.fixture
def queue(sqs: "SQSClient") -> str:
    return sqs.create_queue(
        QueueName=f"q-{uuid.uuid4().hex}.fifo",
        Attributes={
            "FifoQueue": "true",
            "DeduplicationScope": "messageGroup",
            "FifoThroughputLimit": "perMessageGroupId",
        },
    )["QueueUrl"]


def send(sqs: "SQSClient", queue: str, body: str = "x", group: str = "g", dedup: str = "") -> str:
    return sqs.send_message(
        QueueUrl=queue,
        MessageBody=body,
        MessageGroupId=group,
        MessageDeduplicationId=dedup or uuid.uuid4().hex,
    )["MessageId"]


def receive(sqs: "SQSClient", queue: str, seconds: int = 30, wait: int = 0) -> list[Any]:
    return sqs.receive_message(
        QueueUrl=queue, VisibilityTimeout=seconds, WaitTimeSeconds=wait, MaxNumberOfMessages=10
    ).get("Messages", [])


def receipt_of_lost(sqs: "SQSClient", queue: str) -> str:
    """The receipt of a message whose visibility timeout has run out."""
    send(sqs, queue)
    (message,) = receive(sqs, queue, seconds=1)
    time.sleep(1.1)
    return str(message["ReceiptHandle"])


def code_of(error: ClientError) -> str:
    return error.response["Error"]["Code"]


def test_a_batch_of_deletes_refuses_each_receipt_by_itself(sqs: "SQSClient", queue: str) -> None:
    stale = receipt_of_lost(sqs, queue)
    send(sqs, queue, group="other")
    messages = receive(sqs, queue)
    good = [m["ReceiptHandle"] for m in messages]
    assert len(good) == 2
    deleted = sqs.delete_message_batch(
        QueueUrl=queue,
        Entries=[
            {"Id": str(n), "ReceiptHandle": receipt}
            for n, receipt in enumerate([stale, *good, "nonsense"])
        ],
    )
    assert {entry["Id"] for entry in deleted["Successful"]} == {"1", "2"}
    assert {entry["Id"]: entry["Code"] for entry in deleted["Failed"]} == {
        "0": "ReceiptHandleIsInvalid",
        "3": "ReceiptHandleIsInvalid",
    }


def test_a_standard_queue_shrugs_at_an_old_receipt(sqs: "SQSClient") -> None:
    queue = sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex}")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    old = receive(sqs, queue, seconds=0)[0]["ReceiptHandle"]
    new = receive(sqs, queue, seconds=0)[0]["ReceiptHandle"]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=old)
    assert len(receive(sqs, queue, seconds=0)) == 1
    newest = receive(sqs, queue, seconds=0)[0]["ReceiptHandle"]
    assert newest not in (old, new)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=newest)
    assert receive(sqs, queue) == []


def test_a_poll_under_way_sees_a_group_that_becomes_free(
    emulator_url: str, sqs: "SQSClient", queue: str
) -> None:
    send(sqs, queue, "one")
    (one,) = receive(sqs, queue)
    send(sqs, queue, "two")
    began, seen = time.monotonic(), []
    poller = threading.Thread(
        target=lambda: seen.append(receive(client("sqs", emulator_url), queue, wait=10))
    )
    poller.start()
    time.sleep(0.3)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=one["ReceiptHandle"])
    poller.join()
    assert [m["Body"] for m in seen[0]] == ["two"]
    assert time.monotonic() - began < 3


def test_a_poll_under_way_sees_a_visibility_that_runs_out(sqs: "SQSClient", queue: str) -> None:
    send(sqs, queue)
    receive(sqs, queue, seconds=1)
    began = time.monotonic()
    assert len(receive(sqs, queue, wait=10)) == 1
    assert 0.8 < time.monotonic() - began < 3


def test_twenty_pollers_share_messages_without_taking_one_twice(
    emulator_url: str, sqs: "SQSClient", queue: str
) -> None:
    clients = [client("sqs", emulator_url) for _ in range(20)]
    bodies: list[str] = []

    def take(number: int) -> None:
        for _ in range(3):
            answer = clients[number].receive_message(
                QueueUrl=queue, MaxNumberOfMessages=1, WaitTimeSeconds=5
            )
            for message in answer.get("Messages", []):
                bodies.append(message["Body"])
                clients[number].delete_message(
                    QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"]
                )

    with ThreadPoolExecutor(20) as pool:
        done = [pool.submit(take, number) for number in range(20)]
        for number in range(60):
            send(sqs, queue, str(number), group=f"g{number}")
        for future in done:
            future.result()
    assert sorted(bodies, key=int) == [str(number) for number in range(60)]


def test_a_long_poll_wakes_at_once(emulator_url: str, sqs: "SQSClient", queue: str) -> None:
    poller = client("sqs", emulator_url)
    woken: list[float] = []

    def poll() -> None:
        receive(poller, queue, wait=10)
        woken.append(time.monotonic())

    delays = []
    for number in range(5):
        thread = threading.Thread(target=poll)
        thread.start()
        time.sleep(0.1)
        began = time.monotonic()
        send(sqs, queue, group=f"g{number}")
        thread.join()
        delays.append(woken[-1] - began)
    # Milliseconds on a quiet machine; the bound is for a busy one.
    assert min(delays) < 0.5


def attempt(sqs: "SQSClient", queue: str, name: str, seconds: int = 30, wait: int = 0) -> list[Any]:
    """A receive with an id of its own."""
    return sqs.receive_message(
        QueueUrl=queue,
        VisibilityTimeout=seconds,
        WaitTimeSeconds=wait,
        MaxNumberOfMessages=10,
        ReceiveRequestAttemptId=name,
        MessageSystemAttributeNames=["ApproximateReceiveCount"],
    ).get("Messages", [])


def test_a_poll_that_its_caller_has_left_gives_its_message_to_the_next_try(
    emulator_url: str, sqs: "SQSClient", queue: str
) -> None:
    with ThreadPoolExecutor(2) as pool:
        polls = [
            pool.submit(attempt, client("sqs", emulator_url), queue, "a", wait=10) for _ in range(2)
        ]
        send(sqs, queue)
        left, kept = (poll.result() for poll in polls)
    assert left == kept
    assert len(kept) == 1


def test_a_standard_queue_knows_no_attempts(sqs: "SQSClient") -> None:
    queue = sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex}")["QueueUrl"]
    with pytest.raises(ClientError, match="not valid for this queue type"):
        attempt(sqs, queue, "a")
