"""CloudWatch is told what the engine counts: in its format, and no more than is paid for."""

import json
import logging
import math
import re
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
import pytest

from aistratus_daemon.frames import Stats
from aistratus_daemon.logs import JsonLines
from aistratus_daemon.worker.metrics import GAUGES, MEANS, TOTALS, Metrics
from support.scripted_engine import stats

NOTHING = stats()
# Ten seconds of work.
SOME = replace(
    NOTHING,
    requests_processing=2,
    requests_deferred=1,
    prompt_tokens_total=300,
    prompt_tokens_cached_total=40,
    prompt_seconds_total=1.5,
    tokens_predicted_total=120,
    tokens_predicted_seconds_total=6.0,
    n_decode_total=70,
    n_busy_slots_per_decode=1.75,
    kv_cache_tokens=512,
    kv_cache_usage_ratio=0.25,
    time_to_first_token_seconds_sum=0.9,
    time_to_first_token_seconds_count=3,
)


@dataclass
class Told:
    """The metrics of one worker, its clock, and the lines that it wrote."""

    now: datetime = datetime(2026, 11, 23, 10, 0, 0, tzinfo=UTC)
    metrics: Metrics = field(init=False)
    lines: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.metrics = Metrics("dev", lambda: self.now)

    def take(self, found: Stats, after_seconds: float = 10) -> None:
        self.now += timedelta(seconds=after_seconds)
        self.metrics.take(found)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    told = Told()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.lines.append(json.loads(JsonLines().format(record)))

    log = logging.getLogger("worker")
    monkeypatch.setattr(log, "handlers", [Handler()])
    monkeypatch.setattr(log, "propagate", False)
    monkeypatch.setattr(log, "level", logging.INFO)
    return told


def test_a_record_is_exactly_what_cloudwatch_reads(told: Told) -> None:
    told.take(NOTHING)
    told.take(SOME)
    (line,) = told.lines
    assert list(line["_aws"]) == ["Timestamp", "CloudWatchMetrics"]
    assert line["_aws"]["Timestamp"] == int(told.now.timestamp() * 1000)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert list(directive) == ["Namespace", "Dimensions", "Metrics"]
    # Letters, digits and .-_/#:, and not «AWS/», which is Amazon's.
    assert re.fullmatch(r"(?!AWS/)[A-Za-z0-9._\-/#: ]{1,255}", directive["Namespace"])
    assert 1 <= len(directive["Metrics"]) <= 100
    for keys in directive["Dimensions"]:
        assert len(keys) <= 30
        assert all(isinstance(line[key], str) and 0 < len(line[key]) <= 1024 for key in keys)
    model = botocore.session.get_session().get_service_model("cloudwatch")
    units = model.shape_for("StandardUnit").metadata["enum"]
    for metric in directive["Metrics"]:
        assert set(metric) == {"Name", "Unit"}
        assert metric["Unit"] in units
        assert type(line[metric["Name"]]) in (int, float)
        assert math.isfinite(line[metric["Name"]])
    names = [metric["Name"] for metric in directive["Metrics"]]
    assert len(set(names)) == len(names)


def test_all_that_the_engine_counts_is_told_under_its_name() -> None:
    assert {field.name for field in fields(Stats)} == GAUGES.keys() | TOTALS.keys()
    assert GAUGES.keys().isdisjoint(TOTALS)
    assert MEANS.keys().isdisjoint(GAUGES.keys() | TOTALS.keys())


def test_the_only_dimension_is_the_environment(told: Told) -> None:
    told.take(NOTHING)
    told.take(SOME)
    (line,) = told.lines
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["Environment"]]
    assert line["Environment"] == "dev"


def test_what_stands_is_told_as_it_is_and_totals_as_what_they_grew_by(told: Told) -> None:
    told.take(SOME)
    later = replace(SOME, tokens_predicted_total=200, requests_processing=1, kv_cache_tokens=600)
    told.take(later, 60)
    (line,) = told.lines
    assert (line["requests_processing"], line["kv_cache_tokens"]) == (1, 600)
    assert line["tokens_predicted_total"] == 80
    assert line["prompt_tokens_total"] == 0


def test_means_are_those_of_the_record_s_own_time(told: Told) -> None:
    told.take(NOTHING)
    told.take(SOME)
    (line,) = told.lines
    assert line["predicted_tokens_seconds"] == 120 / 6.0
    assert line["prompt_tokens_seconds"] == 300 / 1.5
    assert line["time_to_first_token_seconds"] == pytest.approx(0.3)


def test_a_mean_of_nothing_is_no_metric(told: Told) -> None:
    told.take(NOTHING)
    told.take(replace(NOTHING, prompt_tokens_total=5, prompt_seconds_total=1.0))
    (line,) = told.lines
    names = {metric["Name"] for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
    assert "prompt_tokens_seconds" in names & line.keys()
    assert "predicted_tokens_seconds" not in names | line.keys()


def test_there_is_one_record_a_minute_and_it_holds_all_of_it(told: Told) -> None:
    told.take(NOTHING, 0)
    for step in range(1, 25):
        told.take(replace(SOME, tokens_predicted_total=5 * step))
    minutes = [line["_aws"]["Timestamp"] // 60_000 for line in told.lines]
    assert len(minutes) == len(set(minutes)) == 5
    assert sum(line["tokens_predicted_total"] for line in told.lines) == 5 * 24


def test_an_idle_minute_costs_nothing(told: Told) -> None:
    told.take(SOME)
    idle = replace(SOME, requests_processing=0, requests_deferred=0)
    for _ in range(30):
        told.take(idle)
    assert told.lines == []


def test_a_job_that_waits_is_told_even_if_nothing_is_computed(told: Told) -> None:
    told.take(NOTHING)
    told.take(replace(NOTHING, requests_deferred=1))
    (line,) = told.lines
    assert line["requests_deferred"] == 1


def test_an_engine_that_started_anew_counts_from_zero(told: Told) -> None:
    told.take(SOME, 0)
    told.take(replace(SOME, tokens_predicted_total=130))
    # It comes back, and one of its counters is past the old one's mark already.
    told.take(replace(NOTHING, tokens_predicted_total=7, n_decode_total=80), 60)
    first, second = told.lines
    assert first["tokens_predicted_total"] == 10
    assert (second["tokens_predicted_total"], second["n_decode_total"]) == (7, 80)


def test_what_was_counted_before_the_worker_came_is_not_told_twice(told: Told) -> None:
    told.take(SOME)
    assert told.lines == []
    told.take(replace(SOME, tokens_predicted_total=121))
    assert told.lines[0]["tokens_predicted_total"] == 1


def test_a_metric_keeps_the_log_line_s_own_fields(told: Told) -> None:
    told.take(NOTHING)
    told.take(SOME)
    (line,) = told.lines
    assert (line["level"], line["service"]) == ("info", "worker")
    assert line["message"] == "What the engine counted."
