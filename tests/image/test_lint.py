"""Roles and playbooks are as ansible-lint's production profile wants them; nothing is silenced."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from housekeeping import ROOT
from support.tree import tracked

BIN = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}


def test_the_production_profile_finds_nothing() -> None:
    done = subprocess.run(
        [BIN / "ansible-lint", "--nocolor", "--format=json"],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    found = [
        f"{each['location']['path']}: {each['check_name']}: {each['description']}"
        for each in json.loads(done.stdout)
    ]
    assert found == []
    assert done.returncode == 0, done.stderr
    assert "Profile 'production' was required" in done.stderr


def test_nothing_is_silenced() -> None:
    assert not (ROOT / ".ansible-lint-ignore").exists()
    config = (ROOT / ".ansible-lint.yml").read_text("utf-8")
    assert "skip_list" not in config
    assert "warn_list" not in config
    places = [path for path in tracked() if path.suffix in {".yml", ".yaml"}]
    assert [path for path in places if re.search(r"#\s*noqa", path.read_text("utf-8"))] == []


def test_every_playbook_parses() -> None:
    for playbook in ("site.yml", "playbooks/image.yml", "playbooks/verify.yml"):
        done = subprocess.run(
            [BIN / "ansible-playbook", "--syntax-check", "-i", "worker,", playbook],
            cwd=ROOT,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
