"""The dead man's switch: off after too long, off when idle for too long, else left alone."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from housekeeping import ROOT

SCRIPT = ROOT / "roles" / "worker" / "files" / "deadman.py"
HOUR = 3600.0


@pytest.fixture(scope="module")
def deadman() -> ModuleType:
    spec = importlib.util.spec_from_file_location("deadman", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["deadman"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_a_busy_engine_is_left_alone_until_the_last_hour(deadman: ModuleType) -> None:
    before = None
    for minutes in range(5, 24 * 60, 5):
        now = deadman.Seen(at=minutes * 60.0, pid=7, used=minutes * 30.0, busy_at=0.0)
        before = deadman.compare(now, before)
        assert deadman.decide(before, idle_hours=2, hours=24) is None
    late = deadman.Seen(at=24 * HOUR, pid=7, used=1e6, busy_at=24 * HOUR)
    assert "24 are the limit" in deadman.decide(late, idle_hours=2, hours=24)


def test_an_idle_engine_is_turned_off_after_its_hours(deadman: ModuleType) -> None:
    busy = deadman.compare(deadman.Seen(600.0, 7, 100.0, 0.0), deadman.Seen(300.0, 7, 1.0, 0.0))
    assert busy.busy_at == 600.0
    soon = deadman.compare(deadman.Seen(600.0 + 1.9 * HOUR, 7, 110.0, 0.0), busy)
    assert deadman.decide(soon, idle_hours=2, hours=0) is None
    later = deadman.compare(deadman.Seen(600.0 + 2 * HOUR, 7, 111.0, 0.0), soon)
    assert "idle for 2.00 hours" in deadman.decide(later, idle_hours=2, hours=0)


def test_an_engine_that_is_gone_is_idle(deadman: ModuleType) -> None:
    before = deadman.Seen(HOUR, 7, 900.0, HOUR)
    now = deadman.compare(deadman.Seen(3 * HOUR, 0, 0.0, 0.0), before)
    assert "idle" in deadman.decide(now, idle_hours=2, hours=24)


def test_an_engine_that_was_restarted_counts_with_what_it_has_used_since(
    deadman: ModuleType,
) -> None:
    before = deadman.Seen(300.0, 7, 900.0, 300.0)
    now = deadman.compare(deadman.Seen(600.0, 8, 200.0, 0.0), before)
    assert now.busy_at == 600.0


def test_no_hours_are_for_never(deadman: ModuleType) -> None:
    seen = deadman.Seen(1000 * HOUR, 0, 0.0, 0.0)
    assert deadman.decide(seen, idle_hours=0, hours=0) is None


@pytest.mark.parametrize("left", ["", "{}", '{"at": 1}', "[]", "nonsense"])
def test_what_is_not_to_be_read_is_as_if_it_were_not_there(
    deadman: ModuleType, left: str, tmp_path: Path
) -> None:
    state = tmp_path / "state.json"
    assert deadman.read(state) is None
    state.write_text(left, encoding="utf-8")
    assert deadman.read(state) is None
