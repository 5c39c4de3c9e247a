"""A job with a long grammar is stored in two items; whoever does not need the grammar reads one."""

from typing import Any

import pytest

from aistratus_contracts import table
from aistratus_contracts.event import Delta, StateChange
from aistratus_contracts.states import JobState
from support.router_api import HELLO, Api

GRAMMAR = 'root ::= "a"'.ljust(16_000, "#")
LONG = {**HELLO, "response_format": {"type": "grammar", "grammar": GRAMMAR}}


def kinds(api: Api, job_id: str) -> list[str]:
    """The sort keys under a job's partition."""
    pk = table.job_partition(job_id)
    return [item["sk"]["S"] for item in api.items() if item["pk"]["S"] == pk]


@pytest.fixture
def job_id(quick_api: Api) -> str:
    job: dict[str, Any] = quick_api.infer({**LONG, "request_id": "r-1"})
    return str(job["job_id"])


def test_its_document_lies_apart_and_whole(quick_api: Api, job_id: str) -> None:
    assert sorted(kinds(quick_api, job_id)) == ["DOC", table.event_sort_key(1), "META"]
    form = quick_api.job(job_id).sampling.response_format
    assert form is not None
    assert form.grammar == GRAMMAR


def test_its_owner_sees_what_any_job_shows(quick_api: Api, job_id: str) -> None:
    quick_api.work(job_id, StateChange(JobState.RUNNING), Delta("aa", (1,)), take=True)
    view = quick_api.call("GET", f"/jobs/{job_id}").json
    assert (view["state"], view["text"], view["events"]) == ("running", "aa", 3)
    page = quick_api.call("GET", f"/jobs/{job_id}/events").json
    assert [event["seq"] for event in page["events"]] == [1, 2, 3]
    assert quick_api.infer({**LONG, "request_id": "r-1"})["job_id"] == job_id


def test_readers_and_the_steward_do_not_read_its_document(quick_api: Api, job_id: str) -> None:
    read: list[str] = []
    quick_api.dynamodb.after = lambda _name, answer: read.append(str(answer))
    quick_api.call("GET", f"/jobs/{job_id}")
    quick_api.call("GET", f"/jobs/{job_id}/events")
    quick_api.time.sleep(600)
    assert quick_api.steward() == {"sent_again": 1}
    assert read
    assert not [answer for answer in read if "####" in answer]


def test_it_is_cancelled_and_deleted_as_any(quick_api: Api, job_id: str) -> None:
    view = quick_api.call("POST", f"/jobs/{job_id}/cancel").json
    assert view["state"] == "cancelled"
    path = f"/conversations/{view['conversation_id']}"
    assert quick_api.call("DELETE", path).status == 204
    assert kinds(quick_api, job_id) == []
