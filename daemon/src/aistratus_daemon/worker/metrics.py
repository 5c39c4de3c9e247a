"""What the engine counts, for CloudWatch: log records in its embedded metric format (EMF).

CloudWatch turns any JSON line in its logs that has `_aws` into metrics:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

A metric costs 0.30 USD a month, prorated by the hours in which it gets a value, and every
combination of dimensions is a metric of its own. So the environment is the only dimension: these
16 metrics cost 4.80 USD for a month of work around the clock, however many workers come and go.
There is one record a minute, because CloudWatch keeps finer figures only at extra cost, and none
for an idle minute: an idle hour costs nothing.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from aistratus_daemon.frames import Stats
from aistratus_daemon.worker.store import utc_now

log = logging.getLogger("worker")

NAMESPACE: Final = "Aistratus"
DIMENSION: Final = "Environment"
MESSAGE: Final = "What the engine counted."

# Names are those of `Stats`, units CloudWatch's. Gauges are published as they are …
GAUGES: Final[Mapping[str, str]] = {
    "requests_processing": "Count",
    "requests_deferred": "Count",
    "n_busy_slots_per_decode": "Count",
    "kv_cache_tokens": "Count",
    "kv_cache_usage_ratio": "None",
}
# … and totals as their growth, because CloudWatch adds up by itself.
TOTALS: Final[Mapping[str, str]] = {
    "prompt_tokens_total": "Count",
    "prompt_tokens_cached_total": "Count",
    "prompt_seconds_total": "Seconds",
    "tokens_predicted_total": "Count",
    "tokens_predicted_seconds_total": "Seconds",
    "n_decode_total": "Count",
    "time_to_first_token_seconds_sum": "Seconds",
    "time_to_first_token_seconds_count": "Count",
}
# Ratios of two totals over the record's time; llama-server's `/metrics` has the first two.
MEANS: Final[Mapping[str, tuple[str, str, str]]] = {
    "prompt_tokens_seconds": ("prompt_tokens_total", "prompt_seconds_total", "Count/Second"),
    "predicted_tokens_seconds": (
        "tokens_predicted_total",
        "tokens_predicted_seconds_total",
        "Count/Second",
    ),
    "time_to_first_token_seconds": (
        "time_to_first_token_seconds_sum",
        "time_to_first_token_seconds_count",
        "Seconds",
    ),
}
UNITS: Final = {**GAUGES, **TOTALS, **{name: unit for name, (_, _, unit) in MEANS.items()}}


@dataclass
class Metrics:
    """Adds up what the engine reports every few seconds, and logs it once a minute."""

    environment: str
    clock: Callable[[], datetime] = utc_now
    _last: Stats | None = None
    _grown: dict[str, float] = field(default_factory=lambda: dict.fromkeys(TOTALS, 0))
    _minute: int = -1

    def take(self, stats: Stats) -> None:
        """Take in the engine's counts; the first call only sets where counting begins."""
        before, self._last = self._last, stats
        if before is None:
            return
        for name, growth in _growth(before, stats).items():
            self._grown[name] += growth
        now = self.clock().timestamp()
        if self._is_idle(stats) or int(now // 60) == self._minute:
            return
        self._minute = int(now // 60)
        values = {name: getattr(stats, name) for name in GAUGES} | self._grown | self._means()
        self._grown = dict.fromkeys(TOTALS, 0)
        log.info(MESSAGE, extra=embedded(self.environment, values, int(now * 1000)))

    def _is_idle(self, stats: Stats) -> bool:
        waits = stats.requests_processing or stats.requests_deferred
        return not waits and not any(self._grown.values())

    def _means(self) -> dict[str, float]:
        return {
            name: self._grown[over] / self._grown[under]
            for name, (over, under, _) in MEANS.items()
            if self._grown[under]
        }


def embedded(environment: str, values: Mapping[str, float], timestamp_ms: int) -> dict[str, Any]:
    """An EMF document's members: the metrics' description, the dimension, and the values."""
    return {
        "_aws": {
            "Timestamp": timestamp_ms,
            "CloudWatchMetrics": [
                {
                    "Namespace": NAMESPACE,
                    "Dimensions": [[DIMENSION]],
                    "Metrics": [{"Name": name, "Unit": UNITS[name]} for name in values],
                }
            ],
        },
        DIMENSION: environment,
        **{name: round(value, 6) for name, value in values.items()},
    }


def _growth(before: Stats, now: Stats) -> dict[str, float]:
    """Each total's growth; from zero if any fell, because the engine restarted in between."""
    grown = {name: getattr(now, name) - getattr(before, name) for name in TOTALS}
    if min(grown.values()) < 0:
        return {name: getattr(now, name) for name in TOTALS}
    return grown
