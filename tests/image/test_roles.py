"""Each role on a booted machine: in check mode, applied, again without a change, verified."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from housekeeping import ROOT

pytestmark = pytest.mark.needs("systemd-nspawn", "mmdebstrap", "ip", "ssh")

SCENARIOS = sorted((ROOT / "roles").glob("*/molecule/default/converge.yml"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.parents[2].name)
def test_a_role_holds_what_its_scenario_says(scenario: Path) -> None:
    programs = Path(sys.executable).parent
    done = subprocess.run(
        [programs / "molecule", "test"],
        cwd=scenario.parents[2],
        env={
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "NO_COLOR": "1",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]


def test_every_role_has_a_scenario() -> None:
    roles = {path.parents[1].name for path in (ROOT / "roles").glob("*/tasks/main.yml")}
    assert {scenario.parents[2].name for scenario in SCENARIOS} == roles
