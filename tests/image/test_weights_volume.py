"""The weights get the one empty disk there is, and nobody's disk is guessed at."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from housekeeping import ROOT

PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  vars:
    model_directory: /var/lib/aistratus/models
  tasks:
    - ansible.builtin.include_tasks: {tasks}
    - ansible.builtin.debug:
        msg: "chosen {{{{ site_weights_disks[0].name }}}}"
"""


def disk(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "disk", "fstype": None, "label": None, **more}


SYSTEM = disk("/dev/nvme0n1", children=[disk("/dev/nvme0n1p1", type="part", fstype="ext4")])
CD = disk("/dev/sr0", type="rom")
EMPTY = disk("/dev/nvme1n1")
SCRATCH = disk("/dev/nvme2n1")
OURS = disk("/dev/nvme3n1", fstype="ext4", label="aistratus-wts")


def choose(place: Path, *disks: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Runs the tasks in check mode, where lsblk says that there are these disks."""
    shown = json.dumps({"blockdevices": disks})
    program = place / "lsblk"
    program.write_text(f"#!/bin/sh\n/bin/cat <<'END'\n{shown}\nEND\n", encoding="utf-8")
    program.chmod(0o755)
    play = place / "play.yml"
    tasks = ROOT / "playbooks" / "tasks" / "weights_volume.yml"
    play.write_text(PLAY.format(tasks=tasks), encoding="utf-8")
    programs = Path(sys.executable).parent
    return subprocess.run(
        [programs / "ansible-playbook", "--check", play],
        env={**os.environ, "PATH": os.pathsep.join([str(place), os.environ["PATH"]])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_one_empty_disk_is_taken(tmp_path: Path) -> None:
    assert "chosen /dev/nvme1n1" in choose(tmp_path, SYSTEM, CD, EMPTY).stdout


def test_a_second_run_finds_what_the_first_has_made(tmp_path: Path) -> None:
    assert "chosen /dev/nvme3n1" in choose(tmp_path, SYSTEM, EMPTY, OURS).stdout


@pytest.mark.parametrize(
    ("disks", "count"), [((SYSTEM, CD), 0), ((SYSTEM, EMPTY, SCRATCH), 2)], ids=["none", "two"]
)
def test_nothing_is_guessed(tmp_path: Path, disks: tuple[dict[str, Any], ...], count: int) -> None:
    done = choose(tmp_path, *disks)
    assert done.returncode != 0
    said = " ".join((done.stdout + done.stderr).split())
    assert f"this machine has {count}. Attach one volume with nothing on it" in said
