"""The emulator's SQS holds to who has a message, as AWS does: tests of fencing rest on it."""

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


def test_the_holder_may_extend_and_delete(sqs: "SQSClient", queue: str) -> None:
    send(sqs, queue)
    (message,) = receive(sqs, queue, seconds=1)
    receipt = message["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=receipt, VisibilityTimeout=30)
    time.sleep(1.1)
    assert receive(sqs, queue) == []
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=receipt)
    # Deleting twice succeeds, as on AWS: a delete may be repeated.
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=receipt)
    assert receive(sqs, queue) == []


def test_a_lost_message_cannot_be_deleted(sqs: "SQSClient", queue: str) -> None:
    receipt = receipt_of_lost(sqs, queue)
    with pytest.raises(ClientError) as caught:
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=receipt)
    assert code_of(caught.value) == "InvalidParameterValue"
    assert "The receipt handle has expired" in str(caught.value)
    assert len(receive(sqs, queue)) == 1


def test_a_lost_message_cannot_be_extended(sqs: "SQSClient", queue: str) -> None:
    receipt = receipt_of_lost(sqs, queue)
    with pytest.raises(ClientError) as caught:
        sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=receipt, VisibilityTimeout=9)
    assert "MessageNotInflight" in code_of(caught.value)
    assert len(receive(sqs, queue)) == 1


def test_a_message_that_another_holds_cannot_be_touched(sqs: "SQSClient", queue: str) -> None:
    stale = receipt_of_lost(sqs, queue)
    (message,) = receive(sqs, queue)
    with pytest.raises(ClientError, match="expired"):
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=stale)
    with pytest.raises(ClientError, match="MessageNotInflight"):
        sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=stale, VisibilityTimeout=0)
    # The stale release has not taken it from its holder.
    assert receive(sqs, queue) == []
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


def test_batches_refuse_each_stale_receipt_by_itself(sqs: "SQSClient", queue: str) -> None:
    stale = receipt_of_lost(sqs, queue)
    send(sqs, queue, group="other")
    messages = receive(sqs, queue)
    good = [m["ReceiptHandle"] for m in messages]
    assert len(good) == 2
    extended = sqs.change_message_visibility_batch(
        QueueUrl=queue,
        Entries=[
            {"Id": str(n), "ReceiptHandle": receipt, "VisibilityTimeout": 30}
            for n, receipt in enumerate([stale, *good, "nonsense"])
        ],
    )
    assert {entry["Id"] for entry in extended["Successful"]} == {"1", "2"}
    codes = {entry["Id"]: (entry["Code"], entry["SenderFault"]) for entry in extended["Failed"]}
    assert codes == {"0": ("MessageNotInflight", True), "3": ("ReceiptHandleIsInvalid", True)}
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


def test_nonsense_is_no_receipt(sqs: "SQSClient", queue: str) -> None:
    with pytest.raises(ClientError) as deleted:
        sqs.delete_message(QueueUrl=queue, ReceiptHandle="nonsense")
    with pytest.raises(ClientError) as changed:
        sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle="x", VisibilityTimeout=0)
    assert code_of(deleted.value) == code_of(changed.value) == "ReceiptHandleIsInvalid"


def test_what_was_given_back_is_released_for_good(sqs: "SQSClient", queue: str) -> None:
    send(sqs, queue)
    receipt = receive(sqs, queue)[0]["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=receipt, VisibilityTimeout=0)
    with pytest.raises(ClientError, match="expired"):
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=receipt)
    (again,) = receive(sqs, queue)
    assert again["ReceiptHandle"] != receipt


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


def test_a_group_waits_for_its_message_in_flight(sqs: "SQSClient", queue: str) -> None:
    send(sqs, queue, "one", group="a")
    (one,) = receive(sqs, queue)
    send(sqs, queue, "two", group="a")
    send(sqs, queue, "other", group="b")
    assert [m["Body"] for m in receive(sqs, queue)] == ["other"]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=one["ReceiptHandle"])
    assert [m["Body"] for m in receive(sqs, queue)] == ["two"]


def test_a_message_that_comes_back_goes_before_its_followers(sqs: "SQSClient", queue: str) -> None:
    send(sqs, queue, "one")
    receipt = receive(sqs, queue)[0]["ReceiptHandle"]
    send(sqs, queue, "two")
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=receipt, VisibilityTimeout=0)
    assert [m["Body"] for m in receive(sqs, queue)] == ["one", "two"]


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


def test_a_duplicate_is_known_also_when_the_first_is_done(sqs: "SQSClient", queue: str) -> None:
    first = send(sqs, queue, "one", dedup="same")
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=receive(sqs, queue)[0]["ReceiptHandle"])
    assert send(sqs, queue, "one", dedup="same") == first
    assert receive(sqs, queue) == []
    # The scope is the group: another conversation may use the same id.
    assert send(sqs, queue, "one", group="other", dedup="same") != first


def test_too_many_receives_lead_to_the_dead_letter_queue(sqs: "SQSClient") -> None:
    attributes: Any = {"FifoQueue": "true"}
    dead = sqs.create_queue(QueueName=f"d-{uuid.uuid4().hex}.fifo", Attributes=attributes)
    arn = sqs.get_queue_attributes(QueueUrl=dead["QueueUrl"], AttributeNames=["QueueArn"])
    policy = f'{{"deadLetterTargetArn":"{arn["Attributes"]["QueueArn"]}","maxReceiveCount":"2"}}'
    queue = sqs.create_queue(
        QueueName=f"q-{uuid.uuid4().hex}.fifo",
        Attributes={**attributes, "RedrivePolicy": policy},
    )["QueueUrl"]
    send(sqs, queue, "poison")
    for _ in range(2):
        receipt = receive(sqs, queue)[0]["ReceiptHandle"]
        sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=receipt, VisibilityTimeout=0)
    assert receive(sqs, queue) == []
    assert [m["Body"] for m in receive(sqs, dead["QueueUrl"])] == ["poison"]


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


def test_a_receive_whose_answer_was_lost_may_be_repeated(sqs: "SQSClient", queue: str) -> None:
    send(sqs, queue, "one")
    send(sqs, queue, "two", group="other")
    first = attempt(sqs, queue, "a")
    assert sorted(m["Body"] for m in first) == ["one", "two"]
    # The same messages with the same receipts, and received once.
    assert attempt(sqs, queue, "a") == first
    # For others they are gone, and for the same worker's next receive too.
    assert attempt(sqs, queue, "b") == receive(sqs, queue) == []
    for message in first:
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


def test_repeating_a_receive_restarts_the_visibility_timeout(sqs: "SQSClient", queue: str) -> None:
    send(sqs, queue)
    attempt(sqs, queue, "a", seconds=1)
    attempt(sqs, queue, "a", seconds=30)
    time.sleep(1.1)
    assert receive(sqs, queue) == []


def test_a_receive_that_found_nothing_looks_again(sqs: "SQSClient", queue: str) -> None:
    assert attempt(sqs, queue, "a") == []
    send(sqs, queue, "x")
    assert [m["Body"] for m in attempt(sqs, queue, "a")] == ["x"]


@pytest.mark.parametrize("change", ["deleted", "extended", "released"])
def test_a_receive_cannot_be_repeated_once_its_message_was_touched(
    sqs: "SQSClient", queue: str, change: str
) -> None:
    send(sqs, queue)
    receipt = attempt(sqs, queue, "a")[0]["ReceiptHandle"]
    if change == "deleted":
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=receipt)
    else:
        sqs.change_message_visibility(
            QueueUrl=queue,
            ReceiptHandle=receipt,
            VisibilityTimeout={"extended": 30, "released": 0}[change],
        )
    with pytest.raises(ClientError, match="the receive call is not retryable") as caught:
        attempt(sqs, queue, "a")
    assert code_of(caught.value) == "InvalidParameterValue"


def test_a_receive_cannot_be_repeated_once_another_has_its_message(
    sqs: "SQSClient", queue: str
) -> None:
    send(sqs, queue)
    attempt(sqs, queue, "a", seconds=1)
    assert len(attempt(sqs, queue, "b", wait=5)) == 1
    with pytest.raises(ClientError, match="the receive call is not retryable"):
        attempt(sqs, queue, "a")


def test_a_message_that_ran_out_is_received_anew(sqs: "SQSClient", queue: str) -> None:
    send(sqs, queue)
    (first,) = attempt(sqs, queue, "a", seconds=1)
    time.sleep(1.1)
    (second,) = attempt(sqs, queue, "a")
    assert second["ReceiptHandle"] != first["ReceiptHandle"]
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"


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
