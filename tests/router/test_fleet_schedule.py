"""In the hours of a schedule an instance is on, work or not; a new image takes its place soon."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from aistratus_contracts.schedule import Hours, Schedule
from aistratus_router.fleet.round import STUCK
from support.fleet_rounds import OPERATOR, RUNNING, SUCCEEDED, desired, group, minutes, shown, state
from support.router_api import Api

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = Hours("Europe/Berlin", "08:00", "18:00", ("mon", "tue", "wed", "thu", "fri"))
# The test's clock begins on a Monday at 11:00 in Berlin.
MONDAY = datetime(2026, 11, 23, tzinfo=BERLIN)


def schedule(api: Api, *hours: Hours) -> None:
    api.registry.addresses = replace(api.registry.addresses, schedule=Schedule(hours))


def at(api: Api, moment: datetime) -> None:
    """Let the time come, without a round meanwhile."""
    api.time.now += (moment - api.time.clock()).total_seconds()


def ready(api: Api, number: int) -> list[dict[str, int]]:
    """Rounds, one a minute, with a worker that has nothing to do."""
    rounds = []
    for _ in range(number):
        api.sign()
        rounds += minutes(api, 1)
    return rounds


def test_within_its_hours_the_fleet_is_on_and_says_until_when(quick_fleet: Api) -> None:
    schedule(quick_fleet, OFFICE)
    assert minutes(quick_fleet, 1) == [{"fleet_woken": 1}]
    assert shown(quick_fleet)["scheduled_until"] == "2026-11-23T17:00:00.000Z"

    assert set(map(str, ready(quick_fleet, 60))) == {"{}"}, "nothing to do, for an hour"
    assert desired(quick_fleet) == 1


def test_after_its_hours_the_fleet_goes_off_when_it_is_idle(quick_fleet: Api) -> None:
    schedule(quick_fleet, OFFICE)
    minutes(quick_fleet, 1)
    at(quick_fleet, MONDAY.replace(hour=17, minute=58))
    assert ready(quick_fleet, 2) == [{}, {"fleet_stopped": 1}]
    assert "scheduled_until" not in shown(quick_fleet)
    assert minutes(quick_fleet, 3) == [{}, {}, {}]


def test_an_answer_that_is_under_way_is_brought_to_its_end(quick_fleet: Api) -> None:
    schedule(quick_fleet, OFFICE)
    at(quick_fleet, MONDAY.replace(hour=17, minute=57))
    quick_fleet.steward()
    job_id = quick_fleet.infer()["job_id"]
    quick_fleet.work(job_id, RUNNING, take=True)
    assert not any("fleet_stopped" in each for each in ready(quick_fleet, 8))
    assert desired(quick_fleet) == 1


@pytest.mark.parametrize(
    "moment",
    [
        MONDAY.replace(hour=7, minute=58),
        MONDAY.replace(hour=18),
        MONDAY.replace(day=22, hour=12),
        MONDAY.replace(day=28, hour=12),
    ],
)
def test_outside_of_its_hours_a_schedule_wakes_nothing(quick_fleet: Api, moment: datetime) -> None:
    schedule(quick_fleet, OFFICE)
    at(quick_fleet, moment)
    assert minutes(quick_fleet, 1) == [{}]
    assert quick_fleet.infer()
    assert desired(quick_fleet) == 1, "a prompt wakes it as ever"


def test_who_stops_the_fleet_has_it_off_until_the_next_hours(quick_fleet: Api) -> None:
    schedule(quick_fleet, OFFICE)
    minutes(quick_fleet, 1)
    quick_fleet.call("POST", "/stop", claims=OPERATOR)
    assert minutes(quick_fleet, 5) == [{}] * 5
    assert state(quick_fleet) == "off"

    at(quick_fleet, MONDAY.replace(day=24, hour=7, minute=59, second=30))
    assert minutes(quick_fleet, 1) == [{"fleet_woken": 1}]


def test_a_fleet_that_does_not_start_is_not_tried_for_the_whole_day(quick_fleet: Api) -> None:
    schedule(quick_fleet, OFFICE)
    rounds = minutes(quick_fleet, 60)
    assert [each for each in rounds if each] == [{"fleet_woken": 1}, {"fleet_stuck": 1}]
    assert shown(quick_fleet)["problem"] == STUCK


def test_of_several_hours_the_last_end_counts(quick_fleet: Api) -> None:
    late = replace(OFFICE, wake="11:00", sleep="20:00", days=("mon",))
    schedule(quick_fleet, OFFICE, late)
    minutes(quick_fleet, 1)
    assert shown(quick_fleet)["scheduled_until"] == "2026-11-23T19:00:00.000Z"


# --- a new image --------------------------------------------------------------------------


def deploy_another_image(api: Api) -> None:
    group(api).version = "2"


def test_an_idle_instance_of_the_last_deployment_goes_at_once(quick_fleet: Api) -> None:
    quick_fleet.call("POST", "/start", claims=OPERATOR)
    assert ready(quick_fleet, 2) == [{}, {}]
    deploy_another_image(quick_fleet)
    assert ready(quick_fleet, 1) == [{"fleet_stopped": 1}]

    quick_fleet.infer()
    assert minutes(quick_fleet, 2) == [{}, {}]
    assert list(group(quick_fleet).made_from.values()) == ["1", "2"]


def test_answers_end_before_their_instance_goes(quick_fleet: Api) -> None:
    job_id = quick_fleet.infer()["job_id"]
    minutes(quick_fleet, 1)
    deploy_another_image(quick_fleet)
    quick_fleet.work(job_id, RUNNING, take=True)
    assert not any("fleet_stopped" in each for each in ready(quick_fleet, 4))

    quick_fleet.work(job_id, SUCCEEDED, text="Yes.")
    assert ready(quick_fleet, 1) == [{"fleet_stopped": 1}]


def test_within_its_hours_the_next_instance_comes_when_the_last_has_gone(quick_fleet: Api) -> None:
    schedule(quick_fleet, OFFICE)
    minutes(quick_fleet, 1)
    ready(quick_fleet, 1)
    deploy_another_image(quick_fleet)
    group(quick_fleet).is_slow = True
    assert ready(quick_fleet, 2) == [{"fleet_stopped": 1}, {}]
    group(quick_fleet).work()
    assert minutes(quick_fleet, 1) == [{"fleet_woken": 1}]


def test_a_version_that_has_a_name_makes_nothing_outdated(quick_fleet: Api) -> None:
    quick_fleet.call("POST", "/start", claims=OPERATOR)
    group(quick_fleet).version = "$Latest"
    assert ready(quick_fleet, 3) == [{}] * 3
