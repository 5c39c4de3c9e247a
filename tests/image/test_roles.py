"""Each role on a booted machine: in check mode, applied, again without a change, verified."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from housekeeping import ROOT

pytestmark = pytest.mark.needs(
    "systemd-nspawn", "mmdebstrap", "ip", "ssh", "libsystemd-dev", "pkg-config"
)

# The longest, the worker's, comes first.
SCENARIOS = sorted((ROOT / "roles").glob("*/molecule/default/converge.yml"), reverse=True)
# Each has a machine of its own, and waits for it half of the time.
AT_ONCE = 2
SECONDS = 900

Outcome = tuple[int, str]
"""What molecule exits with, and what it says."""


@pytest.fixture(scope="module")
def outcome_of(request: pytest.FixtureRequest) -> Iterator[Callable[[Path], Outcome]]:
    """Runs the scenarios of the chosen tests, two at a time; a test waits for its own."""
    chosen: list[Any] = [
        item.callspec.params["scenario"]
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.function is test_a_role_holds_what_its_scenario_says
    ]
    running: list[subprocess.Popen[str]] = []

    def run(scenario: Path) -> Outcome:
        process = molecule_test(scenario)
        running.append(process)
        try:
            said, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return process.returncode, said

    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures: dict[Path, Future[Outcome]] = {each: pool.submit(run, each) for each in chosen}
        try:
            yield lambda scenario: futures[scenario].result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in running:
                with suppress(ProcessLookupError):
                    process.terminate()


def molecule_test(scenario: Path) -> subprocess.Popen[str]:
    programs = Path(sys.executable).parent
    return subprocess.Popen(
        [programs / "molecule", "test"],
        cwd=scenario.parents[2],
        env={
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "NO_COLOR": "1",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


# It may wait for one before it, and then for its own.
@pytest.mark.timeout(2 * SECONDS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.parents[2].name)
def test_a_role_holds_what_its_scenario_says(
    scenario: Path, outcome_of: Callable[[Path], Outcome]
) -> None:
    code, said = outcome_of(scenario)
    assert code == 0, said[-8000:]


def test_every_role_has_a_scenario() -> None:
    roles = {path.parents[1].name for path in (ROOT / "roles").glob("*/tasks/main.yml")}
    assert {scenario.parents[2].name for scenario in SCENARIOS} == roles
