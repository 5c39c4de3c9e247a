"""When an instance is kept on, whether or not there is work: the registry's `fleet/schedule`."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from aistratus_contracts import codec
from aistratus_contracts.errors import WrongValue

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

SCHEDULE_VERSION: Final = 1
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_TIME: Final = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
_MIDNIGHT: Final = "24:00"


@dataclass(frozen=True, slots=True)
class Window:
    """One stretch of a schedule; both times are in UTC."""

    begins_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Hours:
    """On these `days`, from `wake` to `sleep` (`08:00`), as the clocks in `timezone` show.

    `sleep` may be `24:00`. A night is two of these.
    """

    timezone: str
    wake: str
    sleep: str
    days: tuple[str, ...]

    def window(self, now: datetime) -> Window | None:
        """The stretch that `now` is in."""
        local = now.astimezone(_zone(self.timezone))
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        # Both are what the clock shows: an hour that a change of the clocks leaves out or repeats
        # makes no other day of it.
        begin, end = (midnight + _since_midnight(each) for each in (self.wake, self.sleep))
        if DAYS[local.weekday()] not in self.days or not begin <= local < end:
            return None
        return Window(begin.astimezone(UTC), end.astimezone(UTC))


@dataclass(frozen=True, slots=True)
class Schedule:
    """All hours in which an instance is kept on."""

    hours: tuple[Hours, ...]

    def window(self, now: datetime) -> Window | None:
        """The stretch that `now` is in; of several, the one that ends last."""
        found = [window for each in self.hours if (window := each.window(now)) is not None]
        return max(found, key=lambda window: window.ends_at, default=None)


NO_SCHEDULE: Final = Schedule(())


def encode_schedule(schedule: Schedule) -> str:
    """A schedule as versioned JSON text: the value of the registry's `fleet/schedule`."""
    return codec.encode(schedule, SCHEDULE_VERSION)


def decode_schedule(text: str | bytes) -> Schedule:
    """The reverse of `encode_schedule`; raises a `ContractError`."""
    schedule = codec.decode(Schedule, text, SCHEDULE_VERSION)
    for hours in schedule.hours:
        _check(hours)
    return schedule


def _check(hours: Hours) -> None:
    for name, at in (("wake", hours.wake), ("sleep", hours.sleep)):
        if not _TIME.fullmatch(at) and (name, at) != ("sleep", _MIDNIGHT):
            raise WrongValue("Hours", name, "a time such as 08:00", at)
    if hours.wake >= hours.sleep:
        raise WrongValue("Hours", "sleep", "later on the same day than wake", hours.sleep)
    for day in hours.days:
        if day not in DAYS:
            raise WrongValue("Hours", "days", "of mon, tue, wed, thu, fri, sat, sun", day)
    _zone(hours.timezone)


def _since_midnight(clock: str) -> timedelta:
    hour, minute = clock.split(":")
    return timedelta(hours=int(hour), minutes=int(minute))


def _zone(name: str) -> "ZoneInfo":
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415 (start-up time)

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise WrongValue("Hours", "timezone", "a time zone such as Europe/Berlin", name) from error
