"""The steward turns the fleet off when nothing is to do, and on when it was woken in vain."""

import io
from contextlib import suppress
from typing import Any

import pytest

from aistratus_contracts import table
from aistratus_contracts.event import Delta
from aistratus_router.fleet.round import NONE_USABLE, REFUSED, TRYING
from aistratus_router.steward.sweep import Unfinished
from support.doubles.aws import error
from support.fake_world import Crash
from support.fleet_rounds import (
    NO_CAPACITY,
    NO_SPOT,
    OPERATOR,
    RUNNING,
    answer,
    desired,
    group,
    minutes,
    shown,
    state,
)
from support.router_api import Api

# --- idle ---------------------------------------------------------------------------------


def test_after_the_last_answer_the_fleet_stays_for_the_idle_timeout(fleet: Api) -> None:
    job_id = fleet.infer()["job_id"]
    minutes(fleet, 3)
    answer(fleet, job_id)
    # What is to do is seen once a minute: the timeout counts from the last time that it was.
    minutes(fleet, 9)
    assert desired(fleet) == 1

    fleet.time.sleep(60)
    assert fleet.steward() == {"fleet_stopped": 1}
    assert desired(fleet) == 0
    assert state(fleet) == "off"
    assert minutes(fleet, 3) == [{}, {}, {}]


def test_a_start_without_a_prompt_lasts_for_the_idle_timeout(fleet: Api) -> None:
    fleet.call("POST", "/start", claims=OPERATOR)
    minutes(fleet, 9)
    assert desired(fleet) == 1
    fleet.call("POST", "/start", claims=OPERATOR)
    minutes(fleet, 9)
    assert desired(fleet) == 1

    assert minutes(fleet, 1) == [{"fleet_stopped": 1}]
    assert desired(fleet) == 0


def test_the_idle_timeout_is_the_one_that_was_set(fleet: Api) -> None:
    body = {"idle_timeout_seconds": 120}
    assert fleet.call("PUT", "/fleet", body, claims=OPERATOR).status == 200
    fleet.call("POST", "/start", claims=OPERATOR)

    assert minutes(fleet, 2) == [{}, {"fleet_stopped": 1}]


def test_a_long_answer_keeps_the_fleet(quick_fleet: Api) -> None:
    quick_fleet.call("PUT", "/fleet", {"idle_timeout_seconds": 60}, claims=OPERATOR)
    job_id = quick_fleet.infer()["job_id"]
    quick_fleet.work(job_id, RUNNING, take=True)
    for _ in range(90):
        quick_fleet.time.sleep(60)
        quick_fleet.work(job_id, Delta("x", (1,)))
        quick_fleet.sign(held_jobs=1)
        assert "fleet_stopped" not in quick_fleet.steward()

    assert group(quick_fleet).desired == 1


def test_a_job_that_waits_for_an_instance_keeps_asking_for_one(quick_fleet: Api) -> None:
    group(quick_fleet).launch_failures = {"spot": NO_SPOT, "on-demand": NO_CAPACITY}
    quick_fleet.infer()
    for _ in range(120):
        quick_fleet.time.sleep(60)
        group(quick_fleet).work()
        quick_fleet.steward()

    assert group(quick_fleet).desired == 1
    group(quick_fleet).launch_failures = {}
    group(quick_fleet).work()
    assert minutes(quick_fleet, 10) == [{}] * 10  # it has the time that an instance takes
    assert group(quick_fleet).desired == 1


def test_a_job_that_no_ready_worker_takes_does_not_keep_the_fleet(quick_fleet: Api) -> None:
    """Its message is lost for good, or its item is broken: it stays on the list for a month."""
    quick_fleet.infer()
    quick_fleet.sqs.before = refuse("send_message")
    stopped = 0
    for minute in range(60):
        quick_fleet.time.sleep(60)
        quick_fleet.sign()
        with_trouble(quick_fleet)
        if group(quick_fleet).desired == 0 and not stopped:
            stopped = minute + 1

    assert 15 <= stopped <= 21
    assert group(quick_fleet).desired == 0


# --- woken in vain, stopped by hand -------------------------------------------------------


def test_a_wake_that_was_lost_is_done_again(fleet: Api) -> None:
    fleet.autoscaling.before = refuse("set_desired_capacity")
    fleet.infer()
    fleet.autoscaling.before = lambda *_: None

    assert fleet.steward() == {"fleet_woken": 1}
    assert desired(fleet) == 1


def test_a_process_that_dies_anywhere_while_it_wakes_leaves_a_fleet_that_comes(
    quick_fleet: Api,
) -> None:
    for is_before in (True, False):
        quick_fleet.call("POST", "/stop", claims=OPERATOR)

        def die(name: str, _: object) -> None:
            if name == "set_desired_capacity":
                raise Crash

        setattr(quick_fleet.autoscaling, "before" if is_before else "after", die)
        with pytest.raises(Crash):
            quick_fleet.infer()
        quick_fleet.autoscaling.before = quick_fleet.autoscaling.after = lambda *_: None
        quick_fleet.steward()

        assert group(quick_fleet).desired == 1


def test_a_stop_holds_although_jobs_wait_until_somebody_asks(fleet: Api) -> None:
    fleet.infer()
    fleet.call("POST", "/stop", claims=OPERATOR)
    minutes(fleet, 12)  # the job is sent again meanwhile
    assert desired(fleet) == 0

    fleet.infer()
    assert desired(fleet) == 1
    assert fleet.call("GET", "/fleet").json["queue_depth"] == 2


def test_a_job_that_is_found_again_wakes_an_idle_fleet(quick_fleet: Api) -> None:
    quick_fleet.infer()
    quick_fleet.lose_messages()
    quick_fleet.sqs.before = refuse("send_message")
    for _ in range(25):
        quick_fleet.time.sleep(60)
        quick_fleet.sign()
        with_trouble(quick_fleet)
    assert group(quick_fleet).desired == 0
    quick_fleet.sqs.before = lambda *_: None

    assert minutes(quick_fleet, 2) == [{"sent_again": 1}, {"fleet_woken": 1}]


def test_what_somebody_turned_on_past_us_is_turned_off(quick_fleet: Api) -> None:
    """The table says what is wanted: nothing else keeps a GPU on."""
    group(quick_fleet).desired = 1
    group(quick_fleet).work()

    assert quick_fleet.steward() == {"fleet_stopped": 1}
    assert group(quick_fleet).instances == []


# --- stop and prompt at once --------------------------------------------------------------


@pytest.mark.parametrize("call", ["describe_auto_scaling_groups", "set_desired_capacity"])
def test_a_prompt_that_comes_while_the_fleet_is_turned_off_is_answered(
    quick_fleet: Api, call: str
) -> None:
    quick_fleet.call("POST", "/start", claims=OPERATOR)
    quick_fleet.time.sleep(600)
    meanwhile(quick_fleet, quick_fleet.autoscaling, call)
    quick_fleet.steward()

    assert group(quick_fleet).desired == 1
    assert group(quick_fleet).instances


@pytest.mark.parametrize("number", range(8))
def test_a_prompt_between_any_two_calls_of_the_table_is_answered(
    quick_fleet: Api, number: int
) -> None:
    quick_fleet.call("POST", "/start", claims=OPERATOR)
    quick_fleet.time.sleep(600)
    meanwhile(quick_fleet, quick_fleet.dynamodb, "", number)
    quick_fleet.steward()
    quick_fleet.dynamodb.before = lambda *_: None
    if not quick_fleet.open_jobs():
        quick_fleet.infer()

    assert group(quick_fleet).desired == 1


def test_a_stop_between_a_round_s_calls_holds(quick_fleet: Api) -> None:
    quick_fleet.infer()
    quick_fleet.call("POST", "/stop", claims=OPERATOR)
    quick_fleet.call("POST", "/start", claims=OPERATOR)
    group(quick_fleet).desired = 0

    def stop(name: str, _: object) -> None:
        if name == "set_desired_capacity":
            quick_fleet.autoscaling.before = lambda *_: None
            quick_fleet.call("POST", "/stop", claims=OPERATOR)

    quick_fleet.autoscaling.before = stop
    quick_fleet.steward()

    assert group(quick_fleet).desired == 0
    assert minutes(quick_fleet, 3) == [{}] * 3


# --- dead or stuck ------------------------------------------------------------------------


def test_an_instance_that_is_never_ready_is_turned_off_and_says_why(fleet: Api) -> None:
    job_id = fleet.infer()["job_id"]
    outcomes = minutes(fleet, 30)

    assert outcomes[-1]["fleet_stuck"] == 1
    assert desired(fleet) == 0
    minutes(fleet, 60)
    assert desired(fleet) == 0
    assert "30 minutes without a worker" in fleet.call("GET", "/fleet").json["problem"]
    waiting = fleet.call("GET", f"/jobs/{job_id}").json["waiting"]
    assert "30 minutes without a worker" in waiting["message"]

    fleet.infer()
    assert desired(fleet) == 1
    assert "problem" not in fleet.call("GET", "/fleet").json


@pytest.mark.parametrize("has_engine", [True, False], ids=["silent", "without an engine"])
def test_a_worker_that_dies_or_loses_its_engine_is_waited_for_30_minutes(
    quick_fleet: Api, has_engine: bool
) -> None:
    quick_fleet.infer()
    for _ in range(100):
        quick_fleet.sign()
        minutes(quick_fleet, 1)
        if group(quick_fleet).desired == 0:  # nobody took the job
            quick_fleet.infer()
    outcomes = []
    for _ in range(30):
        if not has_engine:
            quick_fleet.sign(slots=0)
        outcomes += minutes(quick_fleet, 1)

    assert [number for number, done in enumerate(outcomes) if "fleet_stuck" in done] == [29]


def test_an_instance_that_replaces_one_after_hours_has_its_time_to_boot(quick_fleet: Api) -> None:
    quick_fleet.limit(open_jobs=1000)
    quick_fleet.infer()
    for _ in range(200):
        quick_fleet.infer()
        quick_fleet.sign()
        minutes(quick_fleet, 1)
    gone = {"TableName": quick_fleet.table_name, "Key": table.worker_key("i-1")}
    quick_fleet.dynamodb._client.delete_item(**gone)  # so a worker does that drains

    outcomes = minutes(quick_fleet, 25)
    assert not [done for done in outcomes if "fleet_stuck" in done]
    assert group(quick_fleet).desired == 1


def test_a_worker_s_clock_that_is_ahead_keeps_no_fleet_on(quick_fleet: Api) -> None:
    quick_fleet.infer()
    quick_fleet.sign(seconds_ago=-86_400)

    assert "fleet_stuck" in minutes(quick_fleet, 30)[-1]


def fail(api: Api) -> None:
    """The instance powers itself off, and Auto Scaling starts another."""
    group(api).instances.clear()
    group(api).work()


def test_after_a_bad_card_the_next_instance_is_tried_and_jobs_say_so(quick_fleet: Api) -> None:
    job_id = quick_fleet.infer()["job_id"]
    minutes(quick_fleet, 1)
    fail(quick_fleet)

    assert minutes(quick_fleet, 1) == [{}]
    assert group(quick_fleet).desired == 1
    waiting = quick_fleet.call("GET", f"/jobs/{job_id}").json["waiting"]
    assert waiting["message"] == TRYING
    quick_fleet.sign()
    minutes(quick_fleet, 1)
    assert "problem" not in shown(quick_fleet)


def test_what_an_engine_says_when_it_refuses_to_start_is_what_readers_see(
    quick_fleet: Api,
) -> None:
    job_id = quick_fleet.infer()["job_id"]
    minutes(quick_fleet, 1)
    quick_fleet.sign(slots=0, refusal="No GPU was found.")
    minutes(quick_fleet, 1)
    waiting = quick_fleet.call("GET", f"/jobs/{job_id}").json["waiting"]
    assert waiting["message"] == f"{REFUSED}No GPU was found."
    assert shown(quick_fleet)["state"] == "requested"

    for _ in range(3):
        fail(quick_fleet)
        minutes(quick_fleet, 1)
    assert shown(quick_fleet)["problem"].endswith("The last one said: No GPU was found.")

    # An old word says nothing about the next instance.
    quick_fleet.time.sleep(60)
    quick_fleet.infer()
    minutes(quick_fleet, 1)
    assert "problem" not in shown(quick_fleet)


def test_after_three_bad_cards_in_a_row_no_other_is_tried(quick_fleet: Api) -> None:
    job_id = quick_fleet.infer()["job_id"]
    for _ in range(3):
        assert not any("fleet_none_usable" in done for done in minutes(quick_fleet, 1))
        fail(quick_fleet)

    assert minutes(quick_fleet, 1) == [{"fleet_none_usable": 1}]
    assert (group(quick_fleet).desired, group(quick_fleet).instances) == (0, [])
    minutes(quick_fleet, 60)
    assert (group(quick_fleet).desired, group(quick_fleet).instances) == (0, [])
    assert shown(quick_fleet)["problem"] == NONE_USABLE
    assert quick_fleet.call("GET", f"/jobs/{job_id}").json["waiting"]["message"] == NONE_USABLE

    # It ends as every hold does, and then three are tried again.
    quick_fleet.infer()
    assert group(quick_fleet).desired == 1
    assert "problem" not in shown(quick_fleet)
    for _ in range(2):
        minutes(quick_fleet, 1)
        fail(quick_fleet)
    assert minutes(quick_fleet, 1) == [{}]
    assert group(quick_fleet).desired == 1


def test_an_instance_on_its_way_out_counts_as_gone(quick_fleet: Api) -> None:
    quick_fleet.infer()
    for _ in range(2):
        minutes(quick_fleet, 1)
        fail(quick_fleet)
    minutes(quick_fleet, 1)
    group(quick_fleet).states = ["Terminating:Wait"]

    assert minutes(quick_fleet, 1) == [{"fleet_none_usable": 1}]


def test_a_worker_that_was_ready_between_them_makes_three_bad_cards_three_accidents(
    quick_fleet: Api,
) -> None:
    quick_fleet.limit(open_jobs=1000)
    for _ in range(5):
        quick_fleet.infer()
        minutes(quick_fleet, 1)
        fail(quick_fleet)
        quick_fleet.sign()
        minutes(quick_fleet, 1)
        quick_fleet.dynamodb._client.delete_item(
            TableName=quick_fleet.table_name, Key=table.worker_key("i-1")
        )

    assert group(quick_fleet).desired == 1


# --- the round as a whole -----------------------------------------------------------------


def test_the_fleet_s_trouble_is_not_the_jobs_and_the_other_way_round(
    quick_fleet: Api, log: io.StringIO
) -> None:
    quick_fleet.infer()
    quick_fleet.lose_messages()
    quick_fleet.time.sleep(301)
    quick_fleet.autoscaling.before = refuse("describe_auto_scaling_groups")
    with pytest.raises(Unfinished, match="1 steps"):
        quick_fleet.steward()
    assert len(quick_fleet.lose_messages()) == 1
    assert "checking the fleet failed" in log.getvalue()

    quick_fleet.autoscaling.before = lambda *_: None
    quick_fleet.call("POST", "/start", claims=OPERATOR)
    group(quick_fleet).desired = 0
    quick_fleet.time.sleep(601)
    quick_fleet.sqs.before = refuse("send_message")
    with pytest.raises(Unfinished):
        quick_fleet.steward()
    assert group(quick_fleet).desired == 1


def test_an_idle_fleet_that_is_off_costs_no_write(quick_fleet: Api) -> None:
    minutes(quick_fleet, 5)

    assert {name for name, _ in quick_fleet.dynamodb.calls} == {"query"}
    assert {name for name, _ in quick_fleet.autoscaling.calls} == {"describe_auto_scaling_groups"}


def with_trouble(api: Api) -> None:
    """A round that may leave something undone."""
    with suppress(Unfinished):
        api.steward()


def refuse(operation: str) -> Any:
    def before(name: str, _: object) -> None:
        if name == operation:
            raise error("ServiceUnavailable")

    return before


def meanwhile(api: Api, client: Any, operation: str, number: int = 0) -> None:
    """A prompt comes before a client's call: the first of that name, or one by its number."""
    left = [number]

    def before(name: str, _: object) -> None:
        if name == operation or not operation:
            if left[0] == 0:
                client.before = lambda *_: None
                api.infer()
            left[0] -= 1

    client.before = before
