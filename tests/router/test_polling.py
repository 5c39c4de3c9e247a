"""A reader gets every event once, in order, soon, and the answer never changes."""

from typing import Any

import pytest

from aistratus_contracts import table
from aistratus_contracts.event import Delta, StateChange, Usage
from aistratus_contracts.limits import MAX_EVENTS_PER_PAGE
from aistratus_contracts.states import FinishReason, JobState
from aistratus_router.jobs.polling import (
    MAX_PAUSE_QUEUED_SECONDS,
    MAX_PAUSE_RUNNING_SECONDS,
    MAX_QUEUED_RETRY_SECONDS,
    MIN_PAUSE_SECONDS,
    pause_seconds,
    queued_retry_seconds,
)
from support.router_api import Api

RUNNING = StateChange(JobState.RUNNING)
SUCCEEDED = StateChange(JobState.SUCCEEDED, FinishReason.STOP)


def word(text: str) -> Delta:
    return Delta(text, (1,))


def test_events_come_in_order_and_are_paged_through_to_the_end(api: Api) -> None:
    job_id = api.infer()["job_id"]
    first = events(api, job_id)
    assert [event["seq"] for event in first["events"]] == [1]
    assert (first["next_after"], first["done"], first["state"]) == (1, False, "queued")

    api.work(job_id, RUNNING, word("Blue"), take=True)
    second = events(api, job_id, after=1)
    assert [(e["seq"], e["attempt"]) for e in second["events"]] == [(2, 1), (3, 1)]
    assert (second["next_after"], second["done"], second["state"]) == (3, False, "running")

    api.work(job_id, word(" sky"), Usage(3, 0, 2), SUCCEEDED, text="Blue sky")
    third = events(api, job_id, after=3)
    assert third["events"][0]["delta"] == {"text": " sky", "token_ids": [1]}
    assert third["events"][-1]["state"] == {"state": "succeeded", "finish_reason": "stop"}
    assert (third["next_after"], third["done"], third["state"]) == (6, True, "succeeded")


def test_after_the_end_there_is_nothing_and_that_is_done(api: Api) -> None:
    job_id = ended(api)

    for after in (4, 5, 9_999_999_999):
        page = events(api, job_id, after=after, wait=20)
        assert (page["events"], page["done"], page["next_after"]) == ([], True, after)
    assert api.time.naps == []


def test_events_of_an_ended_job_can_be_read_again_from_the_start(api: Api) -> None:
    job_id = ended(api)

    assert events(api, job_id) == events(api, job_id)
    assert events(api, job_id)["done"]


def test_a_held_poll_answers_as_soon_as_there_is_an_event(api: Api) -> None:
    job_id = running(api)

    def worker(passed: float) -> None:
        if passed >= 3 and api.record(job_id).cursor.next_seq == 3:
            api.work(job_id, word("Blue"))

    api.time.meanwhile = worker
    page = events(api, job_id, after=2, wait=20)

    assert page["events"][0]["delta"]["text"] == "Blue"
    assert 3 <= sum(api.time.naps) < 3.3


def test_a_queued_job_that_a_free_worker_takes_is_held_for(api: Api) -> None:
    job_id = api.infer()["job_id"]

    def worker(passed: float) -> None:
        if passed >= 1 and api.record(job_id).cursor.attempt == 0:
            api.work(job_id, RUNNING, take=True)

    api.time.meanwhile = worker
    page = events(api, job_id, after=1, wait=20)

    assert page["events"][0]["state"] == {"state": "running"}
    assert 1 <= sum(api.time.naps) < 1.2


def test_a_job_that_stays_queued_is_not_held_for(api: Api) -> None:
    job_id = api.infer()["job_id"]
    page = events(api, job_id, after=1, wait=20)
    assert (page["events"], page["next_after"], page["retry_after"]) == ([], 1, 0.5)
    assert 2 <= sum(api.time.naps) < 2.5
    api.time.naps.clear()
    api.dynamodb.calls.clear()

    reply = api.call("GET", f"/jobs/{job_id}/events", query={"after": 1, "wait": 20})
    assert (reply.json["retry_after"], reply.headers["Retry-After"]) == (0.5, "1")
    assert api.time.naps == []
    assert [name for name, _ in api.dynamodb.calls] == ["query"]
    api.time.now += 100
    assert events(api, job_id, after=1, wait=20)["retry_after"] == pytest.approx(2.04, abs=0.01)
    api.work(job_id, RUNNING, take=True)
    page = events(api, job_id, after=1, wait=20)
    assert page["events"][0]["state"] == {"state": "running"}
    assert "retry_after" not in page


def test_a_queued_job_is_asked_for_less_often_the_longer_it_waits() -> None:
    waits = [queued_retry_seconds(seconds) for seconds in range(2, 1000)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (MAX_PAUSE_QUEUED_SECONDS, MAX_QUEUED_RETRY_SECONDS)
    assert all(
        wait <= max(MAX_PAUSE_QUEUED_SECONDS, seconds / 50 + 0.01)
        for seconds, wait in enumerate(waits, 2)
    )


def test_a_held_poll_ends_with_its_time(api: Api) -> None:
    job_id = running(api)
    page = events(api, job_id, after=2, wait=20)

    assert (page["events"], page["done"], page["next_after"]) == ([], False, 2)
    assert sum(api.time.naps) == pytest.approx(20)


def test_a_held_poll_ends_before_the_function_does(api: Api) -> None:
    job_id = running(api)
    api.context.left_ms = 5_000
    events(api, job_id, after=2, wait=20)
    assert sum(api.time.naps) == pytest.approx(3)

    api.time.naps.clear()
    api.context.left_ms = 500
    events(api, job_id, after=2, wait=20)
    assert api.time.naps == []


def test_without_wait_it_looks_once(api: Api) -> None:
    job_id = api.infer()["job_id"]
    api.dynamodb.calls.clear()
    events(api, job_id, after=1)

    assert [name for name, _ in api.dynamodb.calls] == ["query"]
    assert api.time.naps == []


def test_a_look_is_one_consistent_query(api: Api) -> None:
    job_id = api.infer()["job_id"]
    api.dynamodb.calls.clear()
    events(api, job_id, after=1, wait=2)

    calls = api.dynamodb.calls
    looks = [call for name, call in calls if name == "query"]
    # The rest is the poll's place among the readers: taken once, given back once.
    assert len(calls) - len(looks) == 5
    assert all(call["ConsistentRead"] for call in looks)


def test_a_running_job_is_looked_at_often_and_a_queued_one_seldom() -> None:
    assert pause_seconds(JobState.RUNNING, 0) == MIN_PAUSE_SECONDS
    assert pause_seconds(JobState.QUEUED, 0) == MIN_PAUSE_SECONDS
    assert pause_seconds(JobState.RUNNING, 20) == MAX_PAUSE_RUNNING_SECONDS
    assert pause_seconds(JobState.QUEUED, 20) == MAX_PAUSE_QUEUED_SECONDS
    waits = [pause_seconds(JobState.QUEUED, tenths / 10) for tenths in range(200)]
    assert waits == sorted(waits)


def test_a_full_poll_costs_few_reads(quick_api: Api) -> None:
    job_id = running(quick_api)
    quick_api.dynamodb.calls.clear()
    events(quick_api, job_id, after=2, wait=20)

    assert len(quick_api.dynamodb.calls) < 110


def test_a_page_holds_a_thousand_events_and_the_next_goes_on(quick_api: Api) -> None:
    api = quick_api
    job_id = api.infer()["job_id"]
    api.work(job_id, RUNNING, take=True)
    for _ in range(15):
        api.work(job_id, *[word("x")] * 90)
    api.work(job_id, SUCCEEDED)

    first = events(api, job_id)
    second = events(api, job_id, after=first["next_after"])
    assert len(first["events"]) == MAX_EVENTS_PER_PAGE == first["next_after"]
    assert not first["done"]
    assert second["done"]
    seqs = [event["seq"] for page in (first, second) for event in page["events"]]
    assert seqs == list(range(1, 1354))


def test_a_page_that_ends_with_the_last_event_is_done(quick_api: Api) -> None:
    api = quick_api
    job_id = api.infer()["job_id"]
    api.work(job_id, RUNNING, take=True)
    for _ in range(11):
        api.work(job_id, *[word("x")] * 90)
    api.work(job_id, *[word("x")] * 7, SUCCEEDED)

    page = events(api, job_id)
    assert (len(page["events"]), page["done"]) == (MAX_EVENTS_PER_PAGE, True)


def test_a_page_fits_the_functions_answer_however_it_is_escaped(api: Api) -> None:
    job_id = api.infer()["job_id"]
    api.work(job_id, RUNNING, take=True)
    for _ in range(12):
        api.work(job_id, *[word("\u0001" * 5000)] * 4)

    after, texts = 0, ""
    while True:
        reply = api.call("GET", f"/jobs/{job_id}/events", query={"after": after})
        assert len(reply.text) < 2.5 * 2**20
        if not reply.json["events"]:
            break
        assert reply.json["events"][0]["seq"] == after + 1
        texts += "".join(e["delta"]["text"] for e in reply.json["events"] if "delta" in e)
        after = reply.json["next_after"]
    assert texts == "\u0001" * 240_000


def test_a_reader_never_sees_a_hole(quick_api: Api) -> None:
    """A query is no snapshot: it may see event 4, but not event 3, written meanwhile."""
    api = quick_api
    job_id = api.infer()["job_id"]
    api.work(job_id, RUNNING, word("a"), word("b"), take=True)
    items = api.stored
    hole = (table.job_partition(job_id), table.event_sort_key(3))
    kept = items.pop(hole)
    assert [e["seq"] for e in events(api, job_id)["events"]] == [1, 2]
    assert events(api, job_id, after=2, wait=1)["events"] == []

    items[hole] = kept
    assert [e["seq"] for e in events(api, job_id, after=2)["events"]] == [3, 4]


def test_a_job_item_that_is_older_than_its_events_does_not_hide_the_end(quick_api: Api) -> None:
    api = quick_api
    job_id = api.infer()["job_id"]
    api.work(job_id, RUNNING, take=True)
    key = (table.job_partition(job_id), table.META)
    old = api.stored[key]
    api.work(job_id, SUCCEEDED)
    api.stored[key] = old

    page = events(api, job_id)
    assert (page["state"], page["done"]) == ("succeeded", True)


def test_a_job_item_that_is_newer_than_its_events_does_not_end_too_soon(quick_api: Api) -> None:
    api = quick_api
    job_id = api.infer()["job_id"]
    api.work(job_id, RUNNING, take=True)
    api.work(job_id, SUCCEEDED)
    last = (table.job_partition(job_id), table.event_sort_key(3))
    del api.stored[last]

    page = events(api, job_id)
    assert ([e["seq"] for e in page["events"]], page["done"]) == ([1, 2], False)


def test_anothers_events_are_not_found_and_not_waited_for(api: Api) -> None:
    job_id = api.infer(owner="ann")["job_id"]
    reply = api.call("GET", f"/jobs/{job_id}/events", query="wait=20", owner="bob")

    assert (reply.status, reply.json["code"]) == (404, "not_found")
    assert api.time.naps == []
    nothing = api.call("GET", f"/jobs/job-{'a' * 24}/events", owner="bob")
    assert nothing.json == reply.json


def test_a_job_deleted_while_it_is_polled_is_not_found(api: Api) -> None:
    job = api.infer()

    def delete(passed: float) -> None:
        if passed > 1:
            api.time.meanwhile = lambda _: None
            api.dynamodb._client.delete_item(
                TableName=api.table_name, Key=table.meta_key(job["job_id"])
            )

    api.time.meanwhile = delete
    reply = api.call("GET", f"/jobs/{job['job_id']}/events", query="after=1&wait=20")
    assert reply.status == 404


def events(api: Api, job_id: str, **query: int) -> dict[str, Any]:
    reply = api.call("GET", f"/jobs/{job_id}/events", query=query)
    assert reply.status == 200, reply.text
    return dict(reply.json)


def running(api: Api) -> str:
    job_id: str = api.infer()["job_id"]
    api.work(job_id, RUNNING, take=True)
    return job_id


def ended(api: Api) -> str:
    job_id: str = api.infer()["job_id"]
    api.work(job_id, RUNNING, take=True)
    api.work(job_id, word("Done"), SUCCEEDED, text="Done")
    return job_id
