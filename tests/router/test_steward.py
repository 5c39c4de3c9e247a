"""The steward sees to every open job: sent, found again when lost, ended when cancelled."""

import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aistratus_contracts import table
from aistratus_contracts.event import Delta, StateChange
from aistratus_contracts.states import FinishReason, JobState
from aistratus_router.steward.sweep import MAX_JOBS_PER_RUN, RESERVE_SECONDS, Sweep, Unfinished
from support.doubles.aws import error
from support.next_release import next_release
from support.router_api import Api, Crash, Emulator, Intercepted, emulator_api

RUNNING = StateChange(JobState.RUNNING)
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
    with pytest.raises(Unfinished, match="1 things"):
        api.steward()
    assert sorted(api.sent()) == jobs[1:]
    assert api.unsent() == jobs[:1]


def test_a_job_that_waits_since_before_there_was_the_list_is_sent_and_forgotten(api: Api) -> None:
    job = api.infer()
    record = api.record(job["job_id"])
    key = table.open_key(record.job.job_id, record.job.created_at)
    api.dynamodb._client.delete_item(TableName=api.table_name, Key=key)
    former = {
        **table.key("OUTBOX", record.job.job_id),
        "conversation_id": {"S": record.job.conversation_id},
        "stored_at": {"S": "2026-11-23T10:00:00.000Z"},
        table.TTL_ATTRIBUTE: {"N": str(record.job.expires_at)},
    }
    append = {"Put": {"TableName": api.table_name, "Item": former}}
    api.dynamodb._client.transact_write_items(TransactItems=[append])
    api.time.sleep(31)

    assert api.steward() == {"sent": 1}
    api.work(job["job_id"], RUNNING, take=True)
    api.work(job["job_id"], SUCCEEDED)
    api.time.sleep(301)
    assert api.steward() == {"removed": 1}
    assert api.open_jobs() == []


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


# --- interrupted --------------------------------------------------------------------------


def test_a_sweep_that_dies_anywhere_is_taken_up_by_the_next(api: Api) -> None:
    """Each call of a sweep is in turn the last one that it makes, or the first that it does not."""
    for is_before in (True, False):
        for step in range(100):
            job = running_cancelled(api)
            jobs = [api.infer()["job_id"], stored_unsent(api)]
            api.lose_messages()
            api.bury(jobs[0])
            api.time.sleep(301)
            died = die_at(api, step, is_before=is_before)
            api.steward()

            assert sorted(set(api.lose_messages())) == sorted(
                f'{{"v":1,"job_id":"{job_id}"}}' for job_id in jobs
            )
            assert api.record(job).cursor.state is JobState.CANCELLED
            assert sorted(api.open_jobs()) == sorted(jobs)
            for job_id in jobs:
                api.work(job_id, RUNNING, take=True)
                api.work(job_id, SUCCEEDED)
            assert api.open_jobs() == []
            api.time.sleep(61)  # the dead one's letters are anybody's again
            api.take_messages(api.registry.addresses.dead_letter_queue_url)
            if not died:
                break
        else:
            pytest.fail("a sweep should be shorter")


# --- bounded ------------------------------------------------------------------------------


def test_a_sweep_stops_when_its_time_is_over_and_the_next_goes_on(quick_api: Api) -> None:
    jobs = [stored_unsent(quick_api) for _ in range(4)]
    quick_api.time.sleep(31)
    left = [RESERVE_SECONDS + 1, RESERVE_SECONDS + 0.5, RESERVE_SECONDS - 1]

    assert Sweep(quick_api.ports).run(lambda: left.pop(0) if len(left) > 1 else left[0]) == {
        "sent": 2
    }
    assert len(quick_api.unsent()) == 2
    assert quick_api.steward() == {"sent": 2}
    assert sorted(quick_api.sent()) == sorted(jobs)


def test_a_sweep_does_a_bounded_number_of_jobs(quick_api: Api) -> None:
    quick_api.limit(open_jobs=1000, prompt_burst=1000)
    for _ in range(MAX_JOBS_PER_RUN + 3):
        stored_unsent(quick_api)
    quick_api.time.sleep(31)

    assert quick_api.steward() == {"sent": MAX_JOBS_PER_RUN}
    assert quick_api.steward() == {"sent": 3}


def test_a_broken_job_does_not_hold_the_others(quick_api: Api) -> None:
    broken, sound = quick_api.infer()["job_id"], quick_api.infer()["job_id"]
    quick_api.dynamodb._client.update_item(
        TableName=quick_api.table_name,
        Key=table.meta_key(broken),
        UpdateExpression="SET job = :job",
        ExpressionAttributeValues={":job": {"S": '{"v":1}'}},
    )
    quick_api.lose_messages()
    quick_api.time.sleep(301)

    with pytest.raises(Unfinished, match="1 things"):
        quick_api.steward()
    assert quick_api.sent()[2:] == [sound]


def test_the_function_does_a_round_with_the_time_that_it_has(emulator: Emulator) -> None:
    api = emulator_api(emulator)
    addresses = api.registry.addresses
    urls = addresses.queue_url, addresses.dead_letter_queue_url
    emulator.register("/aistratus/steward", addresses.table_name, urls)
    # By the wall clock its job is long overdue.
    api.time.epoch = datetime.now(UTC) - timedelta(minutes=10)
    job_id = stored_unsent(api)
    program = """\
from aistratus_router.steward.handler import handler
from support.router_api import Context
print(handler({}, Context(left_ms=14_000)), handler({}, Context(left_ms=60_000)))
"""
    told = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={**emulator.environment("/aistratus/steward"), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert told.stdout.splitlines()[-1:] == ["{} {'sent': 1}"], told.stderr
    assert api.lose_messages() == [f'{{"v":1,"job_id":"{job_id}"}}']


def stored_unsent(api: Api) -> str:
    def refuse(name: str, _: object) -> None:
        raise error("ServiceUnavailable")

    api.sqs.before = refuse
    job_id: str = api.infer()["job_id"]
    api.sqs.before = lambda *_: None
    return job_id


def running_cancelled(api: Api) -> str:
    """A job that was cancelled a minute ago, and that no worker has ended."""
    job_id: str = api.infer()["job_id"]
    api.work(job_id, RUNNING, Delta("x", (1,)), take=True)
    assert api.call("POST", f"/jobs/{job_id}/cancel").status == 202
    api.time.sleep(60)
    return job_id


def die_at(api: Api, step: int, *, is_before: bool) -> bool:
    """Sweep until call number `step`; whether there was one."""
    calls = 0

    def count(name: str, _: object) -> None:
        nonlocal calls
        calls += 1
        if calls > step:  # the dead do not clean up either
            raise Crash

    for client in (api.sqs, api.dynamodb):
        setattr(client, "before" if is_before else "after", count)
    died = False
    try:
        api.steward()
    except Crash:
        died = True
    for client in (api.sqs, api.dynamodb):
        client.before = client.after = lambda *_: None
    return died


def on_first(client: Intercepted, operation: str, act: Callable[[], None]) -> None:
    """Let somebody else act right before the router's first call of an operation."""

    def before(name: str, _: object) -> None:
        if name == operation:
            client.before = lambda *_: None
            act()

    client.before = before
