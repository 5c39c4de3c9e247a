"""The queues in memory and the emulator's hold to who has a message, as SQS documents it."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from support.conformance import QueueSide

# Of these, errors have one code in a client's answer and another on the wire.
EXPIRED = "InvalidParameterValue"
NOT_IN_FLIGHT = "MessageNotInflight"
NO_RECEIPT = "ReceiptHandleIsInvalid"


def refused(call: Any, *arguments: Any, **named: Any) -> str:
    """The code of the refusal that a call must meet."""
    with pytest.raises(ClientError) as caught:
        call(*arguments, **named)
    return caught.value.response["Error"]["Code"].rpartition(".")[2]


def lost(queue: QueueSide) -> str:
    """The receipt of a message whose visibility timeout has run out."""
    queue.send()
    receipt = queue.take(seconds=1)
    queue.pass_time(1.1)
    return receipt


# --- receipts -----------------------------------------------------------------------------


def test_the_holder_may_extend_and_delete(queue: QueueSide) -> None:
    queue.send()
    receipt = queue.take(seconds=1)
    queue.hold(receipt, 30)
    queue.pass_time(1.1)
    assert queue.receive() == []
    queue.delete(receipt)
    # Deleting twice succeeds: a delete may be repeated.
    queue.delete(receipt)
    assert queue.receive() == []


def test_a_lost_message_cannot_be_touched(queue: QueueSide) -> None:
    receipt = lost(queue)
    assert refused(queue.delete, receipt) == EXPIRED
    assert refused(queue.hold, receipt, 9) == NOT_IN_FLIGHT
    assert len(queue.receive()) == 1


def test_a_message_that_another_holds_cannot_be_touched(queue: QueueSide) -> None:
    stale = lost(queue)
    receipt = queue.take()
    assert refused(queue.delete, stale) == EXPIRED
    assert refused(queue.hold, stale, 0) == NOT_IN_FLIGHT
    # The stale release has not taken it from its holder.
    assert queue.receive() == []
    queue.delete(receipt)


def test_what_was_given_back_is_released_for_good(queue: QueueSide) -> None:
    queue.send()
    receipt = queue.take()
    queue.hold(receipt, 0)
    assert refused(queue.delete, receipt) == EXPIRED
    assert queue.take() != receipt


def test_a_deleted_message_cannot_be_held(queue: QueueSide) -> None:
    queue.send()
    receipt = queue.take()
    queue.delete(receipt)
    assert refused(queue.hold, receipt, 9) == EXPIRED


def test_nonsense_is_no_receipt(queue: QueueSide) -> None:
    assert refused(queue.delete, "nonsense") == NO_RECEIPT
    assert refused(queue.hold, "nonsense", 0) == NO_RECEIPT


def test_a_batch_refuses_each_receipt_by_itself(queue: QueueSide) -> None:
    stale = lost(queue)
    queue.send(group="other")
    good = [message["ReceiptHandle"] for message in queue.receive()]
    assert len(good) == 2
    gone = good.pop()
    queue.delete(gone)
    done, failed = queue.hold_all((stale, 9), (good[0], 9), ("nonsense", 9), (gone, 9))
    assert done == {"1"}
    assert failed == {"0": NOT_IN_FLIGHT, "2": NO_RECEIPT, "3": EXPIRED}
    # What is out of range is the entry's own fault too.
    assert queue.hold_all((good[0], 43_201)) == (set(), {"0": "InvalidParameterValue"})


def test_a_batch_has_one_to_ten_entries_with_ids_of_their_own(queue: QueueSide) -> None:
    queue.send()
    entry = (queue.take(), 9)
    assert refused(queue.hold_all, *[entry] * 11) == "TooManyEntriesInBatchRequest"
    assert refused(queue.hold_all, entry, entry, ids="aa") == "BatchEntryIdsNotDistinct"
    assert refused(queue.hold_all) == "EmptyBatchRequest"


@pytest.mark.parametrize("seconds", [-1, 43_201])
def test_a_visibility_timeout_is_at_most_twelve_hours(queue: QueueSide, seconds: int) -> None:
    queue.send()
    receipt = queue.take()
    assert refused(queue.hold, receipt, seconds) == "InvalidParameterValue"
    assert refused(queue.receive, seconds=seconds) == "InvalidParameterValue"


def test_a_message_is_held_for_twelve_hours_in_all(queue: QueueSide) -> None:
    queue.send()
    receipt = queue.take()
    queue.pass_time(1.1)
    assert refused(queue.hold, receipt, 43_200) == "InvalidParameterValue"
    queue.hold(receipt, 43_190)


# --- groups -------------------------------------------------------------------------------


def test_a_group_waits_for_its_message_in_flight(queue: QueueSide) -> None:
    queue.send("one", "a")
    receipt = queue.take()
    queue.send("two", "a")
    queue.send("other", "b")
    assert queue.bodies() == ["other"]
    queue.delete(receipt)
    assert queue.bodies() == ["two"]


def test_a_message_that_comes_back_goes_before_its_followers(queue: QueueSide) -> None:
    queue.send("one")
    receipt = queue.take()
    queue.send("two")
    queue.hold(receipt, 0)
    assert queue.bodies() == ["one", "two"]


def test_a_receive_takes_as_many_as_it_says_the_oldest_first(queue: QueueSide) -> None:
    for number in range(6):
        queue.send(str(number), f"g{number % 3}")
    assert queue.bodies(most=2) == ["0", "1"]
    assert queue.bodies(most=2) == ["2", "5"]
    assert queue.bodies() == []
    for most in (0, 11):
        assert refused(queue.receive, most=most) in ("InvalidParameterValue", "ReadCountOutOfRange")


def test_the_numbers_tell_what_is_visible_and_what_is_held(queue: QueueSide) -> None:
    for number in range(3):
        queue.send(group=f"g{number}")
    queue.receive(most=1)
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    numbers = queue.sqs.get_queue_attributes(QueueUrl=queue.url, AttributeNames=names)
    assert numbers["Attributes"] == dict(zip(names, ("2", "1"), strict=True))


# --- sends --------------------------------------------------------------------------------


def test_a_duplicate_is_known_also_when_the_first_is_done(queue: QueueSide) -> None:
    first = queue.send("one", dedup="same")
    queue.delete(queue.take())
    assert queue.send("one", dedup="same") == first
    assert queue.receive() == []
    # The scope is the group: another conversation may use the same id.
    assert queue.send("one", "other", dedup="same") != first


def test_a_receive_shows_what_it_asks_for(queue: QueueSide) -> None:
    reason = {"reason": {"DataType": "String", "StringValue": "why"}}
    extra = {"extra": {"DataType": "String", "StringValue": "never asked for"}}
    message_id = queue.send("text", "group", MessageAttributes={**reason, **extra})
    (message,) = queue.receive()
    assert (message["MessageId"], message["Body"]) == (message_id, "text")
    assert message["Attributes"] == {"ApproximateReceiveCount": "1", "MessageGroupId": "group"}
    shown = {name: each["StringValue"] for name, each in message["MessageAttributes"].items()}
    assert shown == {"reason": "why"}


def test_a_message_may_have_one_megabyte_with_its_attributes(queue: QueueSide) -> None:
    attribute = {"a": {"DataType": "String", "StringValue": "é"}}
    size = 2**20 - len("aStringé".encode())
    queue.send("x" * size, MessageAttributes=attribute)
    assert (
        refused(queue.send, "x" * (size + 1), MessageAttributes=attribute)
        == "InvalidParameterValue"
    )


@pytest.mark.parametrize("name", ["MessageGroupId", "MessageDeduplicationId"])
@pytest.mark.parametrize("value", ["", "x" * 129, "a b", "é"])
def test_an_id_is_of_128_printed_characters(queue: QueueSide, name: str, value: str) -> None:
    call = {"MessageGroupId": "g", "MessageDeduplicationId": "d", name: value}
    code = refused(queue.sqs.send_message, QueueUrl=queue.url, MessageBody="x", **call)
    assert code in ("InvalidParameterValue", "MissingParameter")


def test_a_fifo_message_needs_a_group_and_an_id(queue: QueueSide) -> None:
    call = {"QueueUrl": queue.url, "MessageBody": "x"}
    code = refused(queue.sqs.send_message, **call, MessageDeduplicationId="d")
    assert code == "MissingParameter"
    code = refused(queue.sqs.send_message, **call, MessageGroupId="g")
    assert code == "InvalidParameterValue"


def test_a_queue_that_is_not_there_is_refused(queue: QueueSide) -> None:
    queue.url = queue.url.replace(".fifo", "-gone.fifo")
    assert refused(queue.send) == refused(queue.receive) == "NonExistentQueue"


# --- dead letters -------------------------------------------------------------------------


def test_too_many_receives_lead_to_the_dead_letter_queue(queue: QueueSide) -> None:
    queue.send("poison")
    queue.send("next")
    for number in range(3):
        message = queue.receive(most=1)[0]
        assert message["Attributes"]["ApproximateReceiveCount"] == str(number + 1)
        queue.hold(message["ReceiptHandle"], 0)
    # Its group goes on.
    assert queue.bodies() == ["next"]
    assert queue.bodies(url=queue.dead_letter_url) == ["poison"]


# --- receives that are repeated -----------------------------------------------------------


def test_a_receive_whose_answer_was_lost_may_be_repeated(queue: QueueSide) -> None:
    queue.send("one")
    queue.send("two", "other")
    first = queue.receive(attempt="a")
    assert [message["Body"] for message in first] == ["one", "two"]
    # The same messages with the same receipts, and received once.
    assert queue.receive(attempt="a") == first
    # For others they are gone, and for the same worker's next receive too.
    assert queue.receive(attempt="b") == queue.receive() == []
    for message in first:
        queue.delete(message["ReceiptHandle"])


def test_repeating_a_receive_restarts_the_visibility_timeout(queue: QueueSide) -> None:
    queue.send()
    queue.receive(attempt="a", seconds=1)
    queue.receive(attempt="a", seconds=30)
    queue.pass_time(1.1)
    assert queue.receive() == []


def test_a_receive_that_found_nothing_looks_again(queue: QueueSide) -> None:
    assert queue.receive(attempt="a") == []
    queue.send("x")
    assert queue.bodies(attempt="a") == ["x"]


@pytest.mark.parametrize("change", ["deleted", "extended", "released"])
def test_a_receive_cannot_be_repeated_once_its_message_was_touched(
    queue: QueueSide, change: str
) -> None:
    queue.send()
    receipt = queue.take(attempt="a")
    if change == "deleted":
        queue.delete(receipt)
    else:
        queue.hold(receipt, {"extended": 30, "released": 0}[change])
    assert refused(queue.receive, attempt="a") == "InvalidParameterValue"


def test_a_receive_cannot_be_repeated_once_another_has_its_message(queue: QueueSide) -> None:
    queue.send()
    queue.receive(attempt="a", seconds=1)
    queue.pass_time(1.1)
    assert len(queue.receive(attempt="b")) == 1
    assert refused(queue.receive, attempt="a") == "InvalidParameterValue"


def test_a_message_that_ran_out_is_received_anew(queue: QueueSide) -> None:
    queue.send()
    (first,) = queue.receive(attempt="a", seconds=1)
    queue.pass_time(1.1)
    (second,) = queue.receive(attempt="a")
    assert second["ReceiptHandle"] != first["ReceiptHandle"]
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
