"""The Debian packages that some tests need: installs them where it may, else says so."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from housekeeping import ROOT
from housekeeping.console import say

LISTED = ROOT / "requirements" / "debian.txt"


@dataclass(frozen=True)
class Need:
    """Something outside Python that tests use.

    `name` is what a test says in `@pytest.mark.needs`, `programs` are the names under which
    it may be found, `packages` are Debian's and Ubuntu's names, the first that exists counts.
    """

    name: str
    programs: tuple[str, ...]
    packages: tuple[str, ...]
    used_for: str

    def found(self) -> str | None:
        """The program's path, if one of them is there."""
        return next((path for name in self.programs if (path := shutil.which(name))), None)


def needs(listed: Path = LISTED) -> list[Need]:
    """What `requirements/debian.txt` lists."""
    rows = [
        [cell.strip() for cell in line.split("|")]
        for line in listed.read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.startswith("#")
    ]
    return [
        Need(name, tuple(programs.split()), tuple(packages.split()), used_for)
        for name, programs, packages, used_for in rows
    ]


def missing(listed: Path = LISTED) -> list[Need]:
    """The needs that this machine does not meet."""
    return [need for need in needs(listed) if need.found() is None]


def install(packages: Sequence[str]) -> bool:
    """Installs the first of `packages` that apt knows, where this user may.

    Returns:
        Whether apt installed one.
    """
    apt = _apt()
    if not apt:
        return False
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _run([*apt, "update", "-qq"], env)
    return any(
        _run([*apt, "install", "-y", "-qq", "--no-install-recommends", package], env)
        for package in packages
    )


def provide() -> None:
    """Installs what is missing, or says what is missing and which tests that leaves out."""
    for need in missing():
        say(f"Installing {need.name} with apt, for {need.used_for} …")
        if not install(need.packages) or need.found() is None:
            say(
                f"Missing: {need.name}. Left out: {need.used_for}."
                f" To have them: sudo apt install {need.packages[0]}"
            )


def _apt() -> list[str]:
    """How to call apt-get with the right to install, or nothing."""
    if shutil.which("apt-get") is None:
        return []
    if os.geteuid() == 0:
        return ["apt-get"]
    if shutil.which("sudo") and _run(["sudo", "-n", "true"], dict(os.environ)):
        return ["sudo", "-n", "apt-get"]
    return []


def _run(command: Sequence[str], env: dict[str, str]) -> bool:
    done = subprocess.run(
        command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return done.returncode == 0
