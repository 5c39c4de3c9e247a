"""Each role on a booted machine: in check mode, applied, again without a change, verified."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from housekeeping import ROOT

pytestmark = pytest.mark.needs(
    "systemd-nspawn", "mmdebstrap", "ip", "ssh", "libsystemd-dev", "pkg-config"
)

# The longest, the worker's, comes first.
SCENARIOS = sorted((ROOT / "roles").glob("*/molecule/default/converge.yml"), reverse=True)
SECONDS = 900


PROGRAMS = Path(sys.executable).parent


def role_of(scenario: Path) -> str:
    return scenario.parents[2].name


def mitogen() -> dict[str, str]:
    """Settings by which one Python serves a whole play: half the processor time of Ansible alone.

    The role `cleanup` removes what Mitogen needs, so it goes without, as a whole image does.
    """
    spec = find_spec("ansible_mitogen")
    assert spec is not None
    assert spec.origin is not None
    plugins = Path(spec.origin).parent / "plugins" / "strategy"
    return {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(plugins)}


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=role_of)
def test_a_role_holds_what_its_scenario_says(scenario: Path) -> None:
    """Each has a machine of its own, so they may run side by side."""
    done = subprocess.run(
        [PROGRAMS / "molecule", "test"],
        cwd=scenario.parents[2],
        env={
            **os.environ,
            "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
            "NO_COLOR": "1",
            **({} if role_of(scenario) == "cleanup" else mitogen()),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]


def test_every_role_has_a_scenario() -> None:
    roles = {path.parents[1].name for path in (ROOT / "roles").glob("*/tasks/main.yml")}
    assert {role_of(scenario) for scenario in SCENARIOS} == roles
