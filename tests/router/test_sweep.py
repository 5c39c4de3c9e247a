"""A sweep may die anywhere, has little time, and is not held up by one broken job."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from aistratus_contracts import table
from aistratus_contracts.event import StateChange
from aistratus_contracts.states import FinishReason, JobState
from aistratus_router.steward.sweep import MAX_JOBS_PER_RUN, RESERVE_SECONDS, Sweep, Unfinished
from support.fake_world import Crash
from support.router_api import Api, Emulator, emulator_api
from support.steward_jobs import RUNNING, running_cancelled, stored_unsent

SUCCEEDED = StateChange(JobState.SUCCEEDED, FinishReason.STOP)


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

    with pytest.raises(Unfinished, match="1 steps"):
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
from support.fake_world import Context
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
