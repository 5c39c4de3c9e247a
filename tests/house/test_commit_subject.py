"""The commit-msg hook keeps a commit's subject to 72 characters."""

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from commit_subject import MAX_CHARACTERS, check, subject
from housekeeping import ROOT

LONGEST = "router: " + "x" * (MAX_CHARACTERS - 8)
SHORT = [
    "router: cancel is idempotent",
    LONGEST,
    f"{LONGEST}\n\n{'a body may be as wide as it likes ' * 5}",
    f"# a comment {'x' * 80}\n\n{LONGEST}\n# another {'x' * 80}",
    f"fixup! {LONGEST}",
    "ü" * MAX_CHARACTERS,
    "",
]
LONG = [LONGEST + "x", f"{LONGEST}\nmore of it", "\n\n" + LONGEST + "x\n\nbody"]


@pytest.mark.parametrize("message", SHORT)
def test_a_subject_that_fits_is_taken(message: str) -> None:
    assert check(message) == ""


@pytest.mark.parametrize("message", LONG)
def test_a_longer_one_is_refused_with_its_length(message: str) -> None:
    assert f"{len(subject(message))} characters" in check(message)


def test_pre_commit_installs_it_and_it_runs(tmp_path: Path) -> None:
    config: dict[str, Any] = yaml.safe_load(
        (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    )
    assert "commit-msg" in config["default_install_hook_types"]
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    (hook,) = [hook for hook in hooks if hook.get("stages") == ["commit-msg"]]
    written = tmp_path / "COMMIT_EDITMSG"
    for message, code in ((LONGEST, 0), (LONGEST + "x", 1)):
        written.write_text(message, encoding="utf-8")
        done = subprocess.run(
            [*shlex.split(hook["entry"]), written],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code
        assert len(done.stderr.splitlines()) == code
