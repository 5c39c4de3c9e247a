"""A schedule that Terraform takes is one that the steward can follow."""

import re
from datetime import UTC, datetime
from importlib import resources

import pytest

from aistratus_contracts.schedule import DAYS, Hours, Schedule, decode_schedule, encode_schedule
from terraform_pages.page import TERRAFORM

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def time_zones() -> list[str]:
    return (TERRAFORM / "time_zones.txt").read_text("utf-8").split()


def test_the_time_zones_are_those_of_the_package() -> None:
    """If not: write `tzdata/zones`, sorted, to terraform/time_zones.txt."""
    known = (resources.files("tzdata") / "zones").read_text("utf-8").split()
    assert time_zones() == sorted(known)


def test_each_time_zone_is_known_where_the_steward_runs() -> None:
    for zone in time_zones():
        text = encode_schedule(Schedule((Hours(zone, "00:00", "23:59", DAYS),)))
        decode_schedule(text).window(NOW)


def test_the_days_are_the_contracts() -> None:
    text = (TERRAFORM / "variables.tf").read_text("utf-8")
    (named,) = re.findall(r"setsubtract\(hours\.days, \[(.*?)\]\)", text)
    assert tuple(re.findall(r'"(\w+)"', named)) == DAYS


@pytest.mark.parametrize(("hour", "is_on"), [(6, False), (7, True), (16, True), (17, False)])
def test_what_terraform_writes_is_read(hour: int, is_on: bool) -> None:
    """As `jsonencode` orders it."""
    text = (
        '{"hours":[{"days":["mon","tue"],"sleep":"18:00","timezone":"Europe/Berlin",'
        '"wake":"08:00"}],"v":1}'
    )
    assert (decode_schedule(text).window(NOW.replace(hour=hour)) is not None) is is_on
