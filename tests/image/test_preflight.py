"""A machine that a role cannot serve is refused in a sentence, before anything is changed."""

import json
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
  vars_files:
    - {variables}
  tasks:
    - ansible.builtin.set_fact: {facts}
    - ansible.builtin.include_tasks: {tasks}
"""
DEBIAN: dict[str, Any] = {
    "distribution": "Debian",
    "distribution_version": "12.8",
    "distribution_major_version": "12",
    "distribution_release": "bookworm",
    "os_family": "Debian",
    "architecture": "x86_64",
    "service_mgr": "systemd",
    "systemd": {"version": 252},
    "python": {"version_info": [3, 11, 2, "final", 0]},
}
FEDORA = {
    "distribution": "Fedora",
    "distribution_version": "40",
    "distribution_major_version": "40",
}
OLD_UBUNTU = {
    "distribution": "Ubuntu",
    "distribution_version": "20.04",
    "distribution_major_version": "20",
}
REFUSED = [
    ("base", FEDORA, "This machine runs Fedora"),
    ("base", OLD_UBUNTU, "This machine runs Ubuntu 20"),
    ("base", {"service_mgr": "sysvinit"}, "the services need systemd"),
    ("cuda", FEDORA, "This machine runs Fedora 40; the driver is set up on Debian 12"),
    ("cuda", {"architecture": "riscv64"}, "processor is riscv64; the driver is there for"),
    ("worker", {"systemd": {"version": 249}}, "The services need systemd 252"),
    ("session_manager", {"architecture": "riscv64"}, "the agent is there for x86_64 and aarch64"),
    ("cloudwatch", FEDORA, "the agent is set up on Debian or Ubuntu"),
]


def preflight(place: Path, role: str, facts: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Runs a role's first tasks, in check mode, on a machine that says this of itself."""
    folder = ROOT / "roles" / role
    variables = place / "variables.yml"
    names = (folder / "defaults" / "main.yml", folder / "vars" / "main.yml")
    texts = [
        path.read_text(encoding="utf-8").removeprefix("---") for path in names if path.exists()
    ]
    variables.write_text("\n".join(texts), encoding="utf-8")
    play = place / "play.yml"
    play.write_text(
        PLAY.format(
            variables=variables,
            facts=json.dumps({**DEBIAN, **facts, "cacheable": True}),
            tasks=folder / "tasks" / "preflight.yml",
        ),
        encoding="utf-8",
    )
    return subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "--check", play],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(("role", "facts", "sentence"), REFUSED)
def test_it_is_refused_with_what_to_do(
    tmp_path: Path, role: str, facts: dict[str, Any], sentence: str
) -> None:
    done = preflight(tmp_path, role, facts)
    assert done.returncode != 0
    assert sentence in " ".join(done.stdout.split()), done.stdout + done.stderr
    assert "hoose" in done.stdout or "Take a whole machine" in done.stdout


@pytest.mark.parametrize("role", ["base", "cuda"])
def test_debian_12_is_not(tmp_path: Path, role: str) -> None:
    done = preflight(tmp_path, role, {})
    assert done.returncode == 0, done.stdout + done.stderr
