"""A clock that is wrong: on the PYTHONPATH of one process, Python imports this before all else.

AISTRATUS_CLOCK_SKEW_SECONDS is added to what `time.time` and `datetime.now` say. Monotonic clocks
stay: a wrong wall clock does not make them wrong either.
"""

import datetime
import os
import time
from typing import Self

_SECONDS = float(os.environ["AISTRATUS_CLOCK_SKEW_SECONDS"])
_time = time.time


class _SkewedDatetime(datetime.datetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Self:
        return cls.fromtimestamp(_time() + _SECONDS, tz)

    @classmethod
    def utcnow(cls) -> Self:
        return cls.now(datetime.UTC).replace(tzinfo=None)


time.time = lambda: _time() + _SECONDS
datetime.datetime = _SkewedDatetime  # type: ignore[misc]
