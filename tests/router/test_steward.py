"""The steward sees to every open job: sent, found again when lost, ended when cancelled."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from aistratus_contracts import table
from aistratus_contracts.event import Delta, StateChange
from aistratus_contracts.states import FinishReason, JobState
from aistratus_router.steward.sweep import Unfinished
from support.doubles.aws import error
from support.fake_world import Intercepted
from support.next_release import next_release
from support.router_api import Api, Emulator, emulator_api
from support.steward_jobs import RUNNING, running_cancelled, stored_unsent

SUCCEEDED = StateChange(JobState.SUCCEEDED, FinishReason.STOP)


def test_what_was_sent_is_left_alone(api: Api) -> None:
    api.infer()
    api.time.sleep(60)

    assert api.steward() == {}
    assert len(api.sent()) == 1


# --- never sent ---------------------------------------------------------------------------


def test_a_fresh_job_is_left_to_its_request(api: Api) -> None:
    stored_unsent(api)
    api.time.sleep(29)

    assert api.steward() == {}
    assert api.sent() == []


def test_all_old_jobs_are_sent_the_oldest_first(api: Api) -> None:
    jobs = []
    for _ in range(5):
        jobs.append(stored_unsent(api))
        api.time.sleep(1)
    api.time.sleep(31)

    assert api.steward() == {"sent": 5}
    assert api.sent() == jobs
    assert api.unsent() == []
    assert api.open_jobs() == jobs
    assert api.steward() == {}


def test_one_job_that_cannot_be_sent_does_not_hold_the_others(api: Api) -> None:
    jobs = sorted(stored_unsent(api) for _ in range(3))
    api.time.sleep(31)

    def refuse(name: str, call: dict[str, str]) -> None:
        if name == "send_message" and call["MessageDeduplicationId"] == jobs[0]:
            raise error("ServiceUnavailable")

    api.sqs.before = refuse
    with pytest.raises(Unfinished, match="1 steps"):
        api.steward()
    assert sorted(api.sent()) == jobs[1:]
    assert api.unsent() == jobs[:1]


# --- sent, and lost -----------------------------------------------------------------------


def test_a_job_whose_message_is_lost_is_sent_again(api: Api) -> None:
    job_id = api.infer()["job_id"]
    api.lose_messages()
    api.time.sleep(299)
    assert api.steward() == {}

    api.time.sleep(1)
    assert api.steward() == {"sent_again": 1}
    assert api.lose_messages() == [f'{{"v":1,"job_id":"{job_id}"}}']


def test_a_job_that_only_another_release_can_read_does_not_lack_its_message(api: Api) -> None:
    with next_release(version=2):
        job_id = api.infer()["job_id"]
        api.lose_messages()
    api.time.sleep(299)
    assert api.steward() == {}

    api.time.sleep(1)
    assert api.steward() == {"sent_again": 1}
    assert api.lose_messages() == [f'{{"v":1,"job_id":"{job_id}"}}']
    assert api.open_jobs() == [job_id]


def test_a_running_job_that_nobody_works_on_is_sent_again(api: Api) -> None:
    job_id = api.infer()["job_id"]
    api.time.sleep(100)
    api.work(job_id, RUNNING, Delta("So", (1,)), take=True)
    api.lose_messages()

    api.time.sleep(250)
    assert api.steward() == {"heard": 1}
    api.time.sleep(51)
    assert api.steward() == {"sent_again": 1}
    assert len(api.lose_messages()) == 1
    api.work(job_id, RUNNING, take=True)
    api.work(job_id, SUCCEEDED, text="So")
    assert api.open_jobs() == []


def test_a_job_that_is_worked_on_is_looked_at_now_and_then_only(quick_api: Api) -> None:
    job_id = quick_api.infer()["job_id"]
    quick_api.work(job_id, RUNNING, take=True)
    looks = 0
    for _ in range(60):
        quick_api.time.sleep(60)
        quick_api.work(job_id, Delta("x", (1,)))
        looks += quick_api.steward().get("heard", 0)

    assert quick_api.sent() == [job_id]
    assert 10 <= looks <= 12


def test_a_job_that_waits_in_a_long_queue_is_sent_again_less_and_less_often(quick_api: Api) -> None:
    quick_api.infer()
    sent = []
    for minute in range(180):
        quick_api.time.sleep(60)
        if quick_api.steward():
            sent.append(minute + 1)

    assert sent == [5, 15, 35, 75, 115, 155]


@pytest.mark.parametrize("ahead", [1, 299, 900, 86_400 * 365])
def test_a_worker_s_clock_that_is_ahead_does_not_hide_that_its_job_is_lost(
    quick_api: Api, ahead: int
) -> None:
    job_id = quick_api.infer()["job_id"]
    quick_api.time.now += ahead
    quick_api.work(job_id, RUNNING, take=True)
    quick_api.time.now -= ahead
    outcomes = []
    for _ in range(15):
        quick_api.time.sleep(60)
        outcomes.append(quick_api.steward())

    assert {"sent_again": 1} in outcomes


def test_two_sweeps_at_once_send_one_message(api: Api) -> None:
    job_id = api.infer()["job_id"]
    api.lose_messages()
    api.time.sleep(301)
    others: list[dict[str, int]] = []
    on_first(api.sqs, "send_message", lambda: others.append(api.steward()))

    assert api.steward() == {"sent_again": 1}
    assert others == [{"sent_again": 1}]
    assert len(api.lose_messages()) == 1
    assert api.entry(job_id)["sends"] == {"N": "2"}


def test_a_sweep_that_was_away_for_long_does_not_count_back(api: Api) -> None:
    job_id = api.infer()["job_id"]
    api.time.sleep(301)

    def others() -> None:
        for _ in range(2):
            api.steward()
            api.time.sleep(601)

    on_first(api.sqs, "send_message", others)
    api.steward()

    assert api.entry(job_id)["sends"] == {"N": "3"}


def test_many_sweeps_at_once_do_no_harm(emulator: Emulator) -> None:
    api = emulator_api(emulator)
    lost = [api.infer()["job_id"] for _ in range(3)]
    stopped = api.infer()["job_id"]
    api.work(stopped, RUNNING, Delta("So far", (1,)), take=True)
    assert api.call("POST", f"/jobs/{stopped}/cancel").status == 202
    unsent = stored_unsent(api)
    api.lose_messages()
    api.time.sleep(301)

    sweeps = [threading.Thread(target=api.steward) for _ in range(6)]
    for sweep in sweeps:
        sweep.start()
    for sweep in sweeps:
        sweep.join()

    bodies = api.lose_messages()
    assert sorted(bodies) == sorted(f'{{"v":1,"job_id":"{job_id}"}}' for job_id in [*lost, unsent])
    assert api.record(stopped).cursor.next_seq == 5
    assert sorted(api.open_jobs()) == sorted([*lost, unsent])


# --- ended, and not forgotten -------------------------------------------------------------


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED])
def test_the_append_that_ends_a_job_takes_it_off_the_list(api: Api, state: JobState) -> None:
    job_id = api.infer()["job_id"]
    assert api.open_jobs() == [job_id]
    api.work(job_id, RUNNING, take=True)
    assert api.open_jobs() == [job_id]
    api.work(job_id, StateChange(state))

    assert api.open_jobs() == []


def test_an_entry_of_a_job_that_has_ended_or_is_gone_is_removed(api: Api) -> None:
    ended, gone = api.infer()["job_id"], api.infer()["job_id"]
    entry = api.entry(ended)
    api.work(ended, RUNNING, take=True)
    api.work(ended, SUCCEEDED)
    append = {"Put": {"TableName": api.table_name, "Item": entry}}
    api.dynamodb._client.transact_write_items(TransactItems=[append])
    api.dynamodb._client.delete_item(TableName=api.table_name, Key=table.meta_key(gone))
    api.time.sleep(301)

    assert api.steward() == {"removed": 2}
    assert api.open_jobs() == []


def test_a_mark_that_comes_late_does_not_bring_an_entry_back(api: Api) -> None:
    def finish() -> None:
        (job_id,) = api.open_jobs()
        api.work(job_id, RUNNING, take=True)
        api.work(job_id, SUCCEEDED)

    on_first(api.dynamodb, "update_item", finish)
    api.infer()
    assert api.open_jobs() == []

    heard = api.infer()["job_id"]
    api.time.sleep(301)
    api.work(heard, RUNNING, take=True)
    on_first(api.dynamodb, "update_item", finish)
    assert api.steward() == {"heard": 1}
    assert api.open_jobs() == []

    asked_to_stop = api.infer()["job_id"]
    api.work(asked_to_stop, RUNNING, take=True)
    on_first(api.dynamodb, "update_item", finish)
    assert api.call("POST", f"/jobs/{asked_to_stop}/cancel").json["state"] == "succeeded"
    assert api.open_jobs() == []


# --- cancelled, and not ended -------------------------------------------------------------


def test_a_cancelled_job_that_no_worker_takes_ends_with_what_was_read(api: Api) -> None:
    job = api.infer()
    api.work(job["job_id"], RUNNING, Delta("So ", (1,)), Delta("far 🙂", (2, 3)), take=True)
    assert api.call("POST", f"/jobs/{job['job_id']}/cancel").status == 202
    api.time.sleep(59)
    assert api.steward() == {}

    api.time.sleep(1)
    assert api.steward() == {"cancelled": 1}
    page = api.call("GET", f"/jobs/{job['job_id']}/events").json
    assert page["done"]
    assert page["events"][-1]["state"] == {"state": "cancelled", "finish_reason": "cancelled"}
    (turn,) = api.call("GET", f"/conversations/{job['conversation_id']}").json["turns"]
    assert turn["answer"] == {"state": "cancelled", "text": "So far 🙂"}
    assert api.open_jobs() == []
    assert api.steward() == {}


def test_a_worker_that_ends_a_cancelled_job_first_has_ended_it(api: Api) -> None:
    job_id = running_cancelled(api)
    on_first(api.dynamodb, "transact_write_items", lambda: api.work(job_id, SUCCEEDED, text="x"))

    assert api.steward() == {"overtaken": 1}
    assert api.record(job_id).cursor.state is JobState.SUCCEEDED
    assert api.open_jobs() == []


def test_text_that_comes_while_a_cancelled_job_is_ended_is_not_lost(api: Api) -> None:
    job_id = running_cancelled(api)
    # The log is one query: what comes after it is refused by the fence.
    on_first(api.dynamodb, "transact_write_items", lambda: api.work(job_id, Delta("!", (9,))))

    assert api.steward() == {"overtaken": 1}
    assert api.steward() == {"cancelled": 1}
    answers = [item["answer"]["S"] for item in api.items() if "answer" in item]
    assert ["x!" in answer for answer in answers] == [True]


def test_text_that_comes_while_the_log_is_read_is_not_left_out(
    quick_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query is no snapshot: it may see the job as it is after an event that it did not see."""
    job_id = running_cancelled(quick_api)
    client = quick_api.dynamodb._client
    query, late = client.query, [Delta("!", (9,))]

    def torn(**call: Any) -> Any:
        answer = query(**call)
        if late and len(answer["Items"]) > 2 and table.META in str(answer["Items"][-1]):
            quick_api.work(job_id, late.pop())
            key = {"TableName": quick_api.table_name, "Key": table.meta_key(job_id)}
            answer["Items"][-1] = client.get_item(**key)["Item"]
        return answer

    monkeypatch.setattr(client, "query", torn)
    assert quick_api.steward() == {"overtaken": 1}
    assert not late
    assert quick_api.steward() == {"cancelled": 1}
    assert quick_api.call("GET", f"/jobs/{job_id}").json["text"] == "x!"


def test_a_wish_to_cancel_that_was_not_marked_is_seen_when_the_job_falls_silent(api: Api) -> None:
    job_id = api.infer()["job_id"]
    api.work(job_id, RUNNING, take=True)
    api.dynamodb._client.update_item(
        TableName=api.table_name,
        Key=table.meta_key(job_id),
        UpdateExpression="SET cancel_requested = :true",
        ExpressionAttributeValues={":true": {"BOOL": True}},
    )
    api.time.sleep(301)

    assert api.steward() == {"cancelled": 1}


def on_first(client: Intercepted, operation: str, act: Callable[[], None]) -> None:
    """Let somebody else act right before the router's first call of an operation."""

    def before(name: str, _: object) -> None:
        if name == operation:
            client.before = lambda *_: None
            act()

    client.before = before
