"""Schemathesis, with all its checks and phases on, finds nothing: through a real socket.

One process is the handler behind a gateway, another the emulator, a third Schemathesis. Two
users take part, so that it also looks whether one gets to see what is the other's.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from schemathesis.checks import CHECKS
from schemathesis.config import ChecksConfig, SchemathesisConfig

from aistratus_router.user_limits import VARIABLES
from support.router_api import Emulator

HERE = Path(__file__).parent / "schemathesis"
ROOT = Path(__file__).parents[2]
PREFIX = "/aistratus/schemathesis"
TIME_LIMIT_SECONDS = 400


@pytest.fixture
def server(emulator: Emulator) -> Iterator[str]:
    """Where the router can be reached; in the end it must have logged no error."""
    emulator.register(PREFIX, *emulator.create(), group=emulator.create_group())
    environment = {
        **os.environ,
        **emulator.environment(PREFIX),
        "PYTHONPATH": os.pathsep.join(sys.path),
        "POWERTOOLS_LOG_LEVEL": "ERROR",
        # It asks as two users, without a pause.
        **{variable: str(most) for variable, most in VARIABLES.values()},
    }
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "support.router_server"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        ready, _, address = process.stdout.readline().strip().partition(" ")
        assert ready == "ready", ready + process.stdout.read()
        yield address
        process.terminate()
        assert process.stdout.read() == ""


def test_schemathesis_finds_nothing(server: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--no-color"),
            *("--config-file", str(HERE / "schemathesis.toml")),
            *("run", str(ROOT / "docs" / "openapi.json"), "--url", server, "--checks", "all"),
        ],
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": str(HERE / "hooks.py"),
            "SCHEMATHESIS_USERS": str(HERE / "users.json"),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_SECONDS,
        check=False,
    )

    told = run.stdout + run.stderr
    assert run.returncode == 0, told
    assert "No issues found" in told, told
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert re.search(rf"✅ +{phase}", told), told
    tested = re.search(r"(\d+) generated, (\d+) passed", told)
    assert tested is not None, told
    assert int(tested[1]) == int(tested[2]) > 500, told
    assert "WARNINGS" not in told, told


def test_no_check_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEMATHESIS_USERS", str(HERE / "users.json"))
    config = SchemathesisConfig.from_path(HERE / "schemathesis.toml")
    checks: ChecksConfig = config.projects.default.checks

    for name in CHECKS.get_all_names():
        assert checks.get_by_name(name=name).enabled, name
    assert checks.max_response_time.limit is not None
