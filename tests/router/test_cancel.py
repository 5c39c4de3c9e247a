"""A job can be cancelled in any state before its end, and ends once."""

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from aistratus_contracts import table
from aistratus_contracts.event import Delta, StateChange
from aistratus_contracts.states import FinishReason, JobState
from support.doubles.aws import error
from support.router_api import Api

RUNNING = StateChange(JobState.RUNNING)
SUCCEEDED = StateChange(JobState.SUCCEEDED, FinishReason.STOP)


def test_a_queued_job_ends_at_once_and_its_turn_has_an_answer(api: Api) -> None:
    job = api.infer()

    assert cancel(api, job["job_id"]) == {**job, "state": "cancelled"}
    page = api.call("GET", f"/jobs/{job['job_id']}/events").json
    assert page["done"]
    assert page["events"][-1]["state"] == {"state": "cancelled", "finish_reason": "cancelled"}
    (turn,) = api.call("GET", f"/conversations/{job['conversation_id']}").json["turns"]
    assert turn["answer"] == {"state": "cancelled", "text": ""}


def test_a_running_job_is_asked_to_stop(api: Api) -> None:
    job = api.infer()
    api.work(job["job_id"], RUNNING, Delta("So", (1,)), take=True)

    assert cancel(api, job["job_id"])["state"] == "running"
    cursor = api.record(job["job_id"]).cursor
    assert cursor.cancel_requested
    assert (cursor.attempt, cursor.next_seq) == (1, 4)


def test_asking_again_writes_nothing(api: Api) -> None:
    job_id = api.infer()["job_id"]
    api.work(job_id, RUNNING, take=True)
    cancel(api, job_id)
    api.dynamodb.calls.clear()

    assert cancel(api, job_id)["state"] == "running"
    assert [name for name, _ in api.dynamodb.calls] == ["get_item"]


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED])
def test_an_ended_job_stays_as_it_is(api: Api, state: JobState) -> None:
    job_id = api.infer()["job_id"]
    api.work(job_id, RUNNING, take=True)
    api.work(job_id, StateChange(state))
    before = api.items()

    assert cancel(api, job_id)["state"] == state.value
    assert api.items() == before


def test_a_worker_that_takes_the_job_first_is_asked_to_stop(api: Api) -> None:
    job_id = api.infer()["job_id"]
    on_first(api, "transact_write_items", lambda: api.work(job_id, RUNNING, take=True))

    assert cancel(api, job_id)["state"] == "running"
    assert api.record(job_id).cursor.cancel_requested


def test_a_worker_that_ends_the_job_first_has_ended_it(api: Api) -> None:
    job_id = api.infer()["job_id"]
    api.work(job_id, RUNNING, take=True)
    on_first(api, "update_item", lambda: api.work(job_id, SUCCEEDED, text="Done"))

    assert cancel(api, job_id)["state"] == "succeeded"
    cursor = api.record(job_id).cursor
    assert not cursor.cancel_requested
    assert cursor.state is JobState.SUCCEEDED


def test_a_worker_cannot_take_a_job_that_was_cancelled(api: Api) -> None:
    job_id = api.infer()["job_id"]
    stale = api.record(job_id)
    cancel(api, job_id)

    append = table.append(api.table_name, stale, [RUNNING], api.time.clock(), new_attempt=True)
    with pytest.raises(ClientError, match="TransactionCanceled"):
        api.dynamodb._client.transact_write_items(TransactItems=append.transact_items)


def test_a_worker_that_writes_at_the_same_moment_does_not_make_it_fail(api: Api) -> None:
    job_id = api.infer()["job_id"]
    api.work(job_id, RUNNING, take=True)

    def collide() -> None:
        raise error("TransactionConflictException")

    on_first(api, "update_item", collide)

    assert cancel(api, job_id)["state"] == "running"
    assert api.record(job_id).cursor.cancel_requested


def test_anothers_job_is_not_found_and_not_touched(api: Api) -> None:
    job_id = api.infer(owner="ann")["job_id"]
    before = api.items()
    reply = api.call("POST", f"/jobs/{job_id}/cancel", owner="bob")

    assert (reply.status, reply.json["code"]) == (404, "not_found")
    assert api.items() == before


def cancel(api: Api, job_id: str) -> dict[str, str]:
    reply = api.call("POST", f"/jobs/{job_id}/cancel")
    assert reply.status == 202, reply.text
    return dict(reply.json)


def on_first(api: Api, operation: str, act: Callable[[], None]) -> None:
    """Let somebody else act right before the router's first call of an operation."""

    def before(name: str, _: object) -> None:
        if name == operation:
            api.dynamodb.before = lambda *_: None
            act()

    api.dynamodb.before = before
