"""The dead man's switch: off after too long, off after too long without a job, else left alone."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from aistratus_daemon.worker.last_job import LastJob
from housekeeping import ROOT

SCRIPT = ROOT / "roles" / "worker" / "files" / "deadman.py"
HOUR = 3600.0
NOW = 1_800_000_000 * 10**9


@pytest.fixture(scope="module")
def deadman() -> ModuleType:
    spec = importlib.util.spec_from_file_location("deadman", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["deadman"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_a_machine_that_answers_once_a_minute_is_left_alone(deadman: ModuleType) -> None:
    """However little processor time that takes."""
    before = None
    for minutes in range(5, 24 * 60, 5):
        before = deadman.compare(deadman.Seen(minutes * 60.0, minutes, 0.0), before, NOW)
        assert deadman.decide(before, idle_hours=2, hours=24) is None
    late = deadman.compare(deadman.Seen(24 * HOUR, 24 * 60, 0.0), before, NOW)
    assert "24 are the limit" in deadman.decide(late, idle_hours=2, hours=24)


def test_a_machine_without_a_job_is_turned_off_after_its_hours(deadman: ModuleType) -> None:
    busy = deadman.compare(deadman.Seen(600.0, 2, 0.0), deadman.Seen(300.0, 1, 0.0), NOW)
    assert busy.busy_at == 600.0
    soon = deadman.compare(deadman.Seen(600.0 + 1.9 * HOUR, 2, 0.0), busy, NOW)
    assert deadman.decide(soon, idle_hours=2, hours=0) is None
    later = deadman.compare(deadman.Seen(600.0 + 2 * HOUR, 2, 0.0), soon, NOW)
    assert "no job moved on for 2.00 hours" in deadman.decide(later, idle_hours=2, hours=0)


def test_a_worker_that_never_began_or_is_gone_is_idle(deadman: ModuleType) -> None:
    never = deadman.compare(deadman.Seen(2 * HOUR, 0, 0.0), deadman.Seen(HOUR, 0, 0.0), NOW)
    assert "no job" in deadman.decide(never, idle_hours=2, hours=24)
    gone = deadman.compare(deadman.Seen(3 * HOUR, 0, 0.0), deadman.Seen(HOUR, 5, HOUR), NOW)
    assert "no job" in deadman.decide(gone, idle_hours=2, hours=24)


def test_without_an_earlier_look_the_files_age_tells(deadman: ModuleType) -> None:
    touched = NOW - int(600 * 1e9)
    seen = deadman.compare(deadman.Seen(9 * HOUR, touched, 0.0), None, NOW)
    assert seen.busy_at == pytest.approx(9 * HOUR - 600)
    ahead = deadman.compare(deadman.Seen(9 * HOUR, NOW + int(HOUR * 1e9), 0.0), None, NOW)
    assert ahead.busy_at == 9 * HOUR
    assert deadman.compare(deadman.Seen(9 * HOUR, 0, 0.0), None, NOW).busy_at == 0


def test_a_clock_that_is_set_moves_nothing(deadman: ModuleType) -> None:
    before = deadman.Seen(HOUR, NOW, HOUR)
    for clock in (0, NOW * 2):
        later = deadman.compare(deadman.Seen(3 * HOUR, NOW, 0.0), before, clock)
        assert later.busy_at == HOUR


def test_the_switch_sees_what_the_worker_does(deadman: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "last-job"
    assert deadman.look(file).mark == 0
    LastJob(file).moved()
    first = deadman.look(file).mark
    os.utime(file, ns=(0, first - 1))
    LastJob(file).moved()
    assert deadman.look(file).mark > first - 1 > 0


def test_a_file_that_cannot_be_touched_stops_no_job_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    last_job = LastJob(tmp_path / "nowhere" / "last-job")
    last_job.moved()
    last_job.moved()
    (record,) = caplog.records
    assert "takes this machine for idle" in record.getMessage()
    LastJob(None).moved()


def test_no_hours_are_for_never(deadman: ModuleType) -> None:
    seen = deadman.Seen(1000 * HOUR, 0, 0.0)
    assert deadman.decide(seen, idle_hours=0, hours=0) is None


@pytest.mark.parametrize("left", ["", "{}", '{"at": 1}', "[]", "nonsense"])
def test_what_is_not_to_be_read_is_as_if_it_were_not_there(
    deadman: ModuleType, left: str, tmp_path: Path
) -> None:
    state = tmp_path / "state.json"
    assert deadman.read(state) is None
    state.write_text(left, encoding="utf-8")
    assert deadman.read(state) is None
