"""Where AWS has no instance, the other way of buying is tried, and the reason is told."""

import io

import pytest

from aistratus_router.fleet.shortage import is_shortage, sentence
from support.fleet_rounds import (
    NO_CAPACITY,
    NO_IMAGE,
    NO_QUOTA,
    NO_SPOT,
    NO_SPOT_QUOTA,
    OPERATOR,
    answer,
    group,
    minutes,
    shown,
)
from support.router_api import Api


@pytest.mark.parametrize("message", [NO_SPOT, NO_SPOT_QUOTA])
def test_where_there_is_no_spot_instance_one_is_bought_on_demand(
    quick_fleet: Api, message: str, log: io.StringIO
) -> None:
    group(quick_fleet).launch_failures = {"spot": message}
    job_id = quick_fleet.infer()["job_id"]
    assert shown(quick_fleet)["purchase"] == "spot"
    quick_fleet.time.sleep(60)

    assert quick_fleet.steward() == {"fleet_on_demand": 1}
    assert message in log.getvalue()
    group(quick_fleet).work()
    assert shown(quick_fleet) == {
        "managed": True,
        "state": "requested",
        "queue_depth": 1,
        "idle_timeout_seconds": 600,
        "purchase": "on-demand",
    }
    quick_fleet.sign()
    answer(quick_fleet, job_id)
    assert {"fleet_stopped": 1} in minutes(quick_fleet, 11)
    assert group(quick_fleet).purchase == "spot"
    names = [name for name, _ in quick_fleet.autoscaling.calls]
    # Back to Spot after it is off, or AWS would replace what still runs.
    assert names[-2:] != ["update_auto_scaling_group", "set_desired_capacity"]
    order = [name for name in names if not name.startswith("describe")]
    assert order == [
        "set_desired_capacity",
        "update_auto_scaling_group",
        "set_desired_capacity",
        "update_auto_scaling_group",
    ]


@pytest.mark.parametrize(
    ("message", "words"), [(NO_QUOTA, "ask for a higher quota"), (NO_CAPACITY, "goes on trying")]
)
def test_where_there_is_none_on_demand_either_a_sentence_says_so(
    quick_fleet: Api, message: str, words: str
) -> None:
    group(quick_fleet).launch_failures = {"spot": NO_SPOT, "on-demand": message}
    job_id = quick_fleet.infer()["job_id"]
    for _ in range(3):
        quick_fleet.time.sleep(60)
        quick_fleet.steward()
        group(quick_fleet).work()
    quick_fleet.steward()

    assert words in shown(quick_fleet)["problem"]
    assert words in quick_fleet.call("GET", f"/jobs/{job_id}").json["waiting"]["message"]

    group(quick_fleet).launch_failures = {}
    group(quick_fleet).work()
    quick_fleet.steward()
    assert "problem" not in shown(quick_fleet)


def test_spot_s_failure_is_not_taken_for_on_demand_s(quick_fleet: Api) -> None:
    group(quick_fleet).launch_failures = {"spot": NO_SPOT}
    quick_fleet.infer()
    assert minutes(quick_fleet, 3) == [{"fleet_on_demand": 1}, {}, {}]

    assert "problem" not in shown(quick_fleet)


def test_a_failure_of_an_earlier_wake_is_not_this_one_s(quick_fleet: Api) -> None:
    group(quick_fleet).launch_failures = {"spot": NO_SPOT}
    quick_fleet.call("POST", "/start", claims=OPERATOR)
    quick_fleet.call("POST", "/stop", claims=OPERATOR)
    quick_fleet.time.sleep(60)
    group(quick_fleet).is_slow = True
    quick_fleet.call("POST", "/start", claims=OPERATOR)

    assert minutes(quick_fleet, 2) == [{}, {}]
    assert group(quick_fleet).purchase == "spot"


def test_a_group_that_buys_on_demand_only_is_left_so(quick_fleet: Api) -> None:
    group(quick_fleet).above = 100
    group(quick_fleet).launch_failures = {"on-demand": NO_QUOTA}
    quick_fleet.infer()
    assert minutes(quick_fleet, 2) == [{}, {}]
    assert "quota" in shown(quick_fleet)["problem"]
    quick_fleet.call("POST", "/stop", claims=OPERATOR)
    minutes(quick_fleet, 2)

    assert "update_auto_scaling_group" not in {n for n, _ in quick_fleet.autoscaling.calls}


def test_what_on_demand_would_not_mend_is_said_at_once(quick_fleet: Api) -> None:
    group(quick_fleet).launch_failures = {"spot": NO_IMAGE}
    quick_fleet.infer()
    minutes(quick_fleet, 1)

    assert "ami-0123456789abcdef0" in shown(quick_fleet)["problem"]
    assert group(quick_fleet).purchase == "spot"


@pytest.mark.parametrize("message", [NO_SPOT, NO_SPOT_QUOTA, NO_CAPACITY, NO_QUOTA])
def test_every_shortage_is_known(message: str) -> None:
    assert is_shortage(message)
    assert not is_shortage(NO_IMAGE)


@pytest.mark.parametrize("message", [NO_SPOT, NO_SPOT_QUOTA, NO_CAPACITY, NO_QUOTA, NO_IMAGE, "x"])
def test_a_problem_is_short_and_ends(message: str) -> None:
    told = sentence(message * 20)

    assert len(told) < 300
    assert told.endswith(".")
