"""The doctor knows a GPU that is forgotten from one that a schedule keeps on."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from aistratus_contracts.schedule import NO_SCHEDULE, Hours, Schedule
from aistratus_operator.cloud.doctor import fleet_checks
from aistratus_operator.cloud.doctor.patient import Patient
from aistratus_operator.errors import OperatorError

# A Monday; the hours are those of UTC.
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
UNTIL_NOON = Schedule((Hours("UTC", "08:00", "12:00", ("mon",)),))
UNTIL_SIX = Schedule((Hours("UTC", "08:00", "18:00", ("mon",)),))


def patient(schedule: Schedule, now: datetime = NOON) -> Patient:
    """An instance that has been on since five in the morning, without a job."""
    since = NOON - timedelta(hours=7)
    instance = {
        "InstanceId": "i-1",
        "InstanceType": "g6.xlarge",
        "LaunchTime": since,
        "State": {"Name": "running"},
    }
    ec2 = SimpleNamespace(
        describe_instances=lambda **_: {"Reservations": [{"Instances": [instance]}]}
    )
    found: Any = SimpleNamespace(
        now=now,
        open_jobs=0,
        environment=SimpleNamespace(name="dev"),
        account=SimpleNamespace(region="eu-central-1"),
        described_group={"Instances": [instance]},
        seen=SimpleNamespace(wanted=SimpleNamespace(active_at=since, changed_at=since)),
        fleet=SimpleNamespace(schedule=schedule, idle_timeout_seconds=600),
        client=lambda _: ec2,
    )
    return cast(Patient, found)


def test_one_that_nobody_turned_off_is_a_problem() -> None:
    with pytest.raises(OperatorError, match=r"Without a job for 7 h 0 min.* make stop ENV=dev"):
        fleet_checks.idle(patient(NO_SCHEDULE))


def test_one_in_the_hours_of_a_schedule_is_none() -> None:
    assert "keeps it on until 18:00 UTC" in fleet_checks.idle(patient(UNTIL_SIX))


def test_one_whose_hours_have_just_ended_is_none_until_the_steward_should_have_seen_it() -> None:
    assert "until 12:00 UTC" in fleet_checks.idle(patient(UNTIL_NOON, NOON + timedelta(minutes=2)))
    with pytest.raises(OperatorError, match="has not turned it off"):
        fleet_checks.idle(patient(UNTIL_NOON, NOON + timedelta(minutes=6)))
