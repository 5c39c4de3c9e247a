"""A prompt is accepted once, in order, and never lost."""

from dataclasses import replace

import pytest

from aistratus_contracts import table
from aistratus_contracts.event import StateChange
from aistratus_contracts.lanes import message_group
from aistratus_contracts.states import JobState, Role
from support.doubles.aws import error
from support.fake_world import Crash
from support.router_api import HELLO, Api


def test_an_accepted_prompt_is_stored_and_sent_by_id_only(api: Api) -> None:
    reply = api.call("POST", "/infer", {**HELLO, "temperature": 0, "stop": ["\n"]})

    assert reply.status == 202
    job_id = reply.json["job_id"]
    assert reply.headers["Location"] == f"/jobs/{job_id}"
    assert reply.json["state"] == "queued"
    record = api.record(job_id)
    assert (record.cursor.state, record.cursor.attempt, record.cursor.next_seq) == ("queued", 0, 2)
    sampling = api.job(job_id).sampling
    assert (sampling.temperature, sampling.max_tokens, sampling.stop) == (0.0, 256, ("\n",))
    assert record.job.expires_at == table.expiry_of(record.job.created_at)
    ((_, message),) = api.sqs.calls
    assert message["MessageGroupId"] == message_group("ann", 0)
    assert message["MessageDeduplicationId"] == job_id
    assert "Hello" not in str(message)
    assert api.unsent() == []
    assert api.open_jobs() == api.sent()[:1]


def test_it_is_one_transaction_and_one_message(api: Api) -> None:
    api.infer({**HELLO, "request_id": "once"})

    assert [name for name, _ in api.dynamodb.calls] == [
        "get_item",
        "transact_write_items",
        "update_item",
    ]
    assert api.sqs.count("send_message") == 1


def test_the_same_request_id_gives_the_same_job(api: Api) -> None:
    first = api.infer({**HELLO, "request_id": "r-1"})
    second = api.infer({"request_id": "r-1", **HELLO})

    assert second == first
    assert api.sent() == [first["job_id"]]


def test_a_repeated_request_tells_how_its_job_stands_now(api: Api) -> None:
    first = api.infer({**HELLO, "request_id": "r-1"})
    api.work(first["job_id"], StateChange(JobState.RUNNING), take=True)

    assert api.infer({**HELLO, "request_id": "r-1"}) == {**first, "state": "running"}


def test_a_repeated_turn_is_the_same_turn(api: Api) -> None:
    opened = api.infer()
    body = {**HELLO, "conversation_id": opened["conversation_id"], "request_id": "turn-2"}
    first, second = api.infer(body), api.infer(body)

    assert second == first
    assert api.record(first["job_id"]).job.turn == 2
    assert api.call("GET", "/conversations").json["conversations"][0]["turns"] == 2


@pytest.mark.parametrize(
    "way_of_writing",
    [
        {"max_tokens": 5.0},
        {"max_tokens": 5, "seed": None},
        {"max_tokens": 5, "stop": None, "model": None},
    ],
)
def test_the_same_body_may_be_written_in_other_ways(
    api: Api, way_of_writing: dict[str, object]
) -> None:
    first = api.infer({**HELLO, "request_id": "r", "max_tokens": 5})

    assert api.infer({"request_id": "r", **way_of_writing, **HELLO}) == first


def test_the_same_request_id_with_another_body_is_refused(api: Api) -> None:
    api.infer({**HELLO, "request_id": "r-1"})
    reply = api.call("POST", "/infer", {**HELLO, "request_id": "r-1", "seed": 7})

    assert (reply.status, reply.json["code"]) == (409, "request_id_reused")
    assert reply.fields == ["/request_id"]
    assert len(api.sent()) == 1


def test_a_request_id_is_its_users_own(api: Api) -> None:
    body = {**HELLO, "request_id": "r-1"}

    assert api.infer(body, owner="ann")["job_id"] != api.infer(body, owner="bob")["job_id"]


def test_a_request_id_is_remembered_as_long_as_its_job(api: Api) -> None:
    body = {**HELLO, "request_id": "r-1"}
    first = api.infer(body)
    # The table's TTL takes items one by one, in no order: the job may go before the key.
    api.dynamodb.delete_item(TableName=api.table_name, Key=table.meta_key(first["job_id"]))
    second = api.infer(body)

    assert second["job_id"] != first["job_id"]
    assert api.infer(body) == second


def test_what_was_accepted_stays_accepted_when_the_models_change(api: Api) -> None:
    body = {**HELLO, "request_id": "r-1", "model": "large", "max_tokens": 4000}
    first = api.infer(body)
    addresses = api.registry.addresses
    only_small = type(addresses.catalogue)(addresses.catalogue.models[:1])
    api.registry.addresses = replace(addresses, catalogue=only_small)

    assert api.infer(body) == first
    reply = api.call("POST", "/infer", {**body, "request_id": "r-2"})
    assert (reply.status, reply.fields) == (422, ["/model"])


def test_a_crash_before_storing_leaves_nothing(api: Api) -> None:
    _crash_before(api.dynamodb, "transact_write_items")
    with pytest.raises(Crash):
        api.infer({**HELLO, "request_id": "r-1"})

    assert api.items() == []
    assert api.sent() == []


def test_a_crash_between_stored_and_sent_is_healed_by_the_same_request(api: Api) -> None:
    _crash_before(api.sqs, "send_message")
    with pytest.raises(Crash):
        api.infer({**HELLO, "request_id": "r-1"})
    assert len(api.unsent()) == 1

    _survive(api)
    job = api.infer({**HELLO, "request_id": "r-1"})

    assert api.sent() == [job["job_id"]]
    assert api.unsent() == []
    assert api.open_jobs() == api.sent()[:1]


def test_a_crash_between_stored_and_sent_is_healed_by_the_steward(api: Api) -> None:
    _crash_before(api.sqs, "send_message")
    with pytest.raises(Crash):
        api.infer()
    (job_id,) = api.unsent()

    _survive(api)
    api.time.sleep(31)

    assert api.steward() == {"sent": 1}
    assert api.sent() == [job_id]
    assert api.unsent() == []
    assert api.open_jobs() == api.sent()[:1]


def test_a_crash_between_sent_and_marked_sends_once_more_and_does_no_harm(api: Api) -> None:
    _crash_before(api.dynamodb, "update_item")
    with pytest.raises(Crash):
        api.infer({**HELLO, "request_id": "r-1"})

    _survive(api)
    job = api.infer({**HELLO, "request_id": "r-1"})

    assert api.sent() == [job["job_id"]] * 2
    assert api.unsent() == []
    assert api.open_jobs() == api.sent()[:1]
    assert len(api.lose_messages()) == 1


def test_a_queue_that_refuses_does_not_lose_the_job(api: Api) -> None:
    def refuse(name: str, _: object) -> None:
        raise error("ServiceUnavailable")

    api.sqs.before = refuse
    job = api.infer()
    assert api.unsent() == [job["job_id"]]

    _survive(api)
    api.time.sleep(31)
    api.steward()
    assert api.sent() == [job["job_id"]]


def test_the_turns_of_a_conversation_are_numbered_in_order(api: Api) -> None:
    opened = api.infer()
    jobs = [api.say(opened["conversation_id"])["job_id"] for _ in range(3)]

    assert [api.record(job).job.turn for job in jobs] == [2, 3, 4]
    groups = {call["MessageGroupId"] for _, call in api.sqs.calls}
    assert groups == {message_group("ann", 0)}


def test_two_turns_at_once_both_get_a_number(api: Api) -> None:
    opened = api.infer()
    overtakers = [1, 2]
    others: list[str] = []

    def overtake(name: str, _: object) -> None:
        if name == "transact_write_items" and overtakers:
            overtakers.pop()
            others.append(api.say(opened["conversation_id"])["job_id"])

    api.dynamodb.before = overtake
    job = api.say(opened["conversation_id"])

    turns = {api.record(job_id).job.turn for job_id in (job["job_id"], *others)}
    assert turns == {2, 3, 4}
    assert len(api.call("GET", f"/conversations/{opened['conversation_id']}").json["turns"]) == 4


def test_the_same_request_twice_at_once_is_one_job(api: Api) -> None:
    body = {**HELLO, "request_id": "r-1"}
    overtakers = [1]
    others: list[dict[str, object]] = []

    def overtake(name: str, _: object) -> None:
        if name == "transact_write_items" and overtakers:
            overtakers.pop()
            others.append(api.infer(body))

    api.dynamodb.before = overtake

    assert [api.infer(body)] == others
    assert len(api.sent()) == 1


def test_a_conversation_that_stays_busy_says_when_to_come_again(api: Api) -> None:
    opened = api.infer()
    codes = ["None", "TransactionConflict", "None", "None", "None"]

    def conflict(name: str, _: object) -> None:
        if name == "transact_write_items":
            reasons = [{"Code": code} for code in codes]
            raise error("TransactionCanceledException", CancellationReasons=reasons)

    api.dynamodb.before = conflict
    reply = api.call("POST", "/infer", {**HELLO, "conversation_id": opened["conversation_id"]})

    assert (reply.status, reply.json["code"]) == (503, "conversation_busy")
    assert int(reply.headers["Retry-After"]) > 0
    assert sum(api.time.naps) < 6
    assert len(api.sent()) == 1


def test_a_throttled_table_says_when_to_come_again(api: Api) -> None:
    def throttle(name: str, _: object) -> None:
        if name != "transact_write_items":
            return
        reasons = [{"Code": "ThrottlingError"}, {"Code": "None"}]
        raise error("TransactionCanceledException", CancellationReasons=reasons)

    api.dynamodb.before = throttle
    reply = api.call("POST", "/infer", HELLO)

    assert (reply.status, reply.json["code"]) == (503, "unavailable")
    assert int(reply.headers["Retry-After"]) > 0


@pytest.mark.parametrize("owner", ["ann", "bob"])
def test_a_conversation_that_is_not_there_or_anothers_is_not_found(api: Api, owner: str) -> None:
    opened = api.infer(owner="carl")["conversation_id"]
    asked = opened if owner == "bob" else "conv-" + "a" * 24
    reply = api.call("POST", "/infer", {**HELLO, "conversation_id": asked}, owner=owner)

    assert (reply.status, reply.json["code"]) == (404, "not_found")
    assert len(api.sent()) == 1


def test_the_prompt_is_kept_once_in_its_turn(api: Api) -> None:
    job = api.infer()
    items = [item for item in api.items() if "Hello" in str({**item, "title": ""})]

    assert [item["sk"]["S"].rpartition("#")[2] for item in items] == ["PROMPT"]
    (turn,) = table.read_turns(items)
    assert turn.messages[0].role is Role.USER
    assert turn.job_id == job["job_id"]


def _crash_before(client: object, operation: str) -> None:
    def crash(name: str, _: object) -> None:
        if name == operation:
            raise Crash

    client.before = crash  # type: ignore[attr-defined]


def _survive(api: Api) -> None:
    api.sqs.before = api.dynamodb.before = lambda *_: None
