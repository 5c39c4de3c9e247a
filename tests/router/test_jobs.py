"""A job shows its state, its answer so far, and why it waits."""

from typing import Any

from aistratus_contracts.errors import JobErrorCode, NoticeCode
from aistratus_contracts.event import Delta, JobError, Notice, StateChange, Usage
from aistratus_contracts.states import FinishReason, JobState
from support.router_api import Api

RUNNING = StateChange(JobState.RUNNING)


def test_a_queued_job_waits_for_a_worker(api: Api) -> None:
    job = api.infer()
    shown = read(api, job["job_id"])

    assert shown["waiting"]["reason"] == "worker"
    assert shown["waiting"]["message"].endswith(".")
    assert (shown["text"], shown["events"], shown["attempt"]) == ("", 1, 0)
    assert shown["conversation_id"] == job["conversation_id"]
    assert shown["model"] == "small"


def test_a_queued_job_waits_for_an_earlier_turn(api: Api) -> None:
    first = api.infer()
    second = api.say(first["conversation_id"])["job_id"]
    assert read(api, second)["waiting"]["reason"] == "earlier_turn"

    api.work(first["job_id"], RUNNING, take=True)
    assert read(api, second)["waiting"]["reason"] == "earlier_turn"

    api.work(first["job_id"], StateChange(JobState.SUCCEEDED))
    assert read(api, second)["waiting"]["reason"] == "worker"


def test_a_running_job_shows_its_answer_so_far(api: Api) -> None:
    job_id = api.infer()["job_id"]
    notice = Notice(NoticeCode.TURNS_LEFT_OUT, "The oldest turns were left out.")
    api.work(job_id, RUNNING, notice, Delta("Blue ", (1,)), Delta("sky", (2, 3)), take=True)
    shown = read(api, job_id)

    assert (shown["state"], shown["text"]) == ("running", "Blue sky")
    assert (shown["events"], shown["attempt"]) == (5, 1)
    assert shown["notices"] == [
        {"code": "turns_left_out", "message": "The oldest turns were left out."}
    ]
    assert "waiting" not in shown
    assert "finish_reason" not in shown


def test_an_ended_job_shows_what_it_took(api: Api) -> None:
    job_id = api.infer()["job_id"]
    api.work(job_id, RUNNING, take=True)
    api.work(
        job_id,
        Delta("Done", (1,)),
        Usage(10, 4, 1),
        StateChange(JobState.SUCCEEDED, FinishReason.LENGTH),
    )
    shown = read(api, job_id)

    assert (shown["state"], shown["finish_reason"]) == ("succeeded", "length")
    assert shown["usage"] == {"prompt_tokens": 10, "cached_tokens": 4, "completion_tokens": 1}


def test_a_failed_job_says_why(api: Api) -> None:
    job_id = api.infer()["job_id"]
    api.work(job_id, RUNNING, take=True)
    reason = JobError(JobErrorCode.POISON, "It failed three times.")
    api.work(job_id, reason, StateChange(JobState.FAILED))

    shown = read(api, job_id)
    assert shown["state"] == "failed"
    assert shown["error"] == {"code": "poison", "message": "It failed three times."}


def test_anothers_job_is_not_found(api: Api) -> None:
    job_id = api.infer(owner="ann")["job_id"]
    reply = api.call("GET", f"/jobs/{job_id}", owner="bob")
    nothing = api.call("GET", f"/jobs/job-{'a' * 24}", owner="bob")
    odd = api.call("GET", "/jobs/7", owner="bob")

    assert reply.status == nothing.status == odd.status == 404
    assert reply.json == nothing.json == odd.json
    assert job_id not in reply.text


def read(api: Api, job_id: str) -> dict[str, Any]:
    reply = api.call("GET", f"/jobs/{job_id}")
    assert reply.status == 200, reply.text
    return dict(reply.json)
