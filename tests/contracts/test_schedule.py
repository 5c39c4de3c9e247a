"""A schedule's hours are those on the clocks of its time zone, and what is none is refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from aistratus_contracts.errors import ContractError
from aistratus_contracts.schedule import (
    DAYS,
    NO_SCHEDULE,
    Hours,
    Schedule,
    Window,
    decode_schedule,
    encode_schedule,
)

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = Hours("Europe/Berlin", "08:00", "18:00", ("mon", "tue", "wed", "thu", "fri"))


def in_berlin(month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=BERLIN)


@pytest.mark.parametrize(("month", "utc"), [(7, 6), (11, 7)])
def test_hours_follow_the_clocks_through_the_year(month: int, utc: int) -> None:
    (day,) = [day for day in range(1, 8) if datetime(2026, month, day, tzinfo=UTC).weekday() == 0]
    begin = datetime(2026, month, day, utc, tzinfo=UTC)
    found = OFFICE.window(in_berlin(month, day, 12))
    assert found == Window(begin, begin.replace(hour=utc + 10))


def test_the_first_minute_is_in_and_the_last_is_out() -> None:
    assert OFFICE.window(in_berlin(11, 23, 7, 59)) is None
    assert OFFICE.window(in_berlin(11, 23, 8))
    assert OFFICE.window(in_berlin(11, 23, 17, 59))
    assert OFFICE.window(in_berlin(11, 23, 18)) is None
    assert OFFICE.window(in_berlin(11, 22, 12)) is None, "a Sunday"


@pytest.mark.parametrize("day", [29, 25], ids=["in March", "in October"])
def test_a_change_of_the_clocks_makes_hours_shorter_or_longer(day: int) -> None:
    night = Hours("Europe/Berlin", "01:00", "04:00", DAYS)
    found = night.window(in_berlin(3 if day == 29 else 10, day, 1, 30))
    assert found is not None
    assert (found.ends_at - found.begins_at).total_seconds() == (2 if day == 29 else 4) * 3600


def test_a_night_is_two_and_has_no_gap() -> None:
    late, early = (
        Hours("Europe/Berlin", "22:00", "24:00", ("mon",)),
        Hours("Europe/Berlin", "00:00", "06:00", ("tue",)),
    )
    night = Schedule((late, early))
    assert decode_schedule(encode_schedule(night)) == night
    minutes = [in_berlin(11, 23, 22) + timedelta(minutes=each) for each in range(8 * 60)]
    assert all(night.window(minute) for minute in minutes)
    assert night.window(in_berlin(11, 24, 6)) is None
    last = night.window(in_berlin(11, 23, 23, 59))
    assert last is not None
    assert last.ends_at == in_berlin(11, 24, 0)


def test_no_hours_are_no_schedule() -> None:
    assert NO_SCHEDULE.window(in_berlin(11, 23, 12)) is None
    assert decode_schedule(encode_schedule(NO_SCHEDULE)) == NO_SCHEDULE


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timezone", "Europe/Berlino"),
        ("timezone", "../etc/passwd"),
        ("timezone", ""),
        ("wake", "8:00"),
        ("wake", "24:00"),
        ("wake", "18:00"),
        ("wake", "08:00:30"),
        ("sleep", "08:00"),
        ("sleep", "noon"),
        ("days", ("mon", "Tuesday")),
    ],
)
def test_what_is_no_time_is_refused_by_name(field: str, value: object) -> None:
    wrong = Schedule((replace(OFFICE, **{field: value}),))  # type: ignore[arg-type]
    named = "sleep" if value == "18:00" else field
    with pytest.raises(ContractError, match=rf"Hours\.{named} must be "):
        decode_schedule(encode_schedule(wrong))
