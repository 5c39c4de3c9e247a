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
    What Debian does not have has no packages, and an `address` that says how to install it.
    `for_root`: to anybody else it is of no use.
    """

    name: str
    programs: tuple[str, ...]
    packages: tuple[str, ...]
    used_for: str
    for_root: bool = False
    address: str = ""

    def found(self) -> str | None:
        """The program's path, if one of them is there, for this user."""
        if self.for_root and os.geteuid() != 0:
            return None
        return next((path for name in self.programs if (path := shutil.which(name))), None)

    @property
    def remedy(self) -> str:
        """What a person does to have it."""
        if self.address:
            return f"install it as {self.address} says"
        install = f"sudo apt install {self.packages[0]}"
        return f"{install}, and run make as root" if self.for_root else install


def needs(listed: Path = LISTED) -> list[Need]:
    """What `requirements/debian.txt` lists."""
    rows = [
        [cell.strip() for cell in line.split("|")]
        for line in listed.read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.startswith("#")
    ]
    return [_need(*row) for row in rows]


def _need(name: str, programs: str, source: str, used_for: str, user: str = "") -> Need:
    for_root = user == "root"
    if source.startswith("https://"):
        return Need(name, tuple(programs.split()), (), used_for, for_root, source)
    return Need(name, tuple(programs.split()), tuple(source.split()), used_for, for_root)


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
        if need.for_root and os.geteuid() != 0:
            say(f"Left out without root: {need.used_for}. To have them: {need.remedy}")
            continue
        if need.packages:
            say(f"Installing {need.name} with apt, for {need.used_for} …")
        if not need.packages or not install(need.packages) or need.found() is None:
            say(f"Missing: {need.name}. Left out: {need.used_for}. To have them: {need.remedy}")


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
