"""The Debian packages that some tests need: installs them if it may, else says so."""

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
    """A program outside Python that tests use.

    `name` is its name in `@pytest.mark.needs`, `programs` are the names under which it may be
    found, or the path of a file (a header), `packages` are Debian's and Ubuntu's names, of which
    the first that exists counts. What is not in Debian has no packages but an `address` that says
    how to install it.
    `for_root`: only root can use it.
    """

    name: str
    programs: tuple[str, ...]
    packages: tuple[str, ...]
    used_for: str
    for_root: bool = False
    address: str = ""

    def found(self) -> str | None:
        """The path of the first program found; None if there is none that this user can use."""
        if self.for_root and os.geteuid() != 0:
            return None
        return next((path for name in self.programs if (path := _path(name))), None)

    @property
    def remedy(self) -> str:
        """How a person can install it."""
        if self.address:
            return f"install it as {self.address} says"
        install = f"sudo apt install {self.packages[0]}"
        return f"{install}, and run make as root" if self.for_root else install


def _path(name: str) -> str | None:
    """Where a program is, or a file that is named by its path."""
    is_file = Path(name).is_absolute() and Path(name).is_file()
    return name if is_file else shutil.which(name)


def needs(listed: Path = LISTED) -> list[Need]:
    """The programs that `requirements/debian.txt` lists."""
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
    """The programs that this machine lacks."""
    return [need for need in needs(listed) if need.found() is None]


def install(packages: Sequence[str]) -> bool:
    """Installs the first of `packages` that apt knows, if this user may.

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
    """Installs what is missing, or says what is missing and which tests are left out."""
    for need in missing():
        if need.for_root and os.geteuid() != 0:
            say(f"Left out without root: {need.used_for}. To have them: {need.remedy}")
            continue
        if need.packages:
            say(f"Installing {need.name} with apt, for {need.used_for} …")
        if not need.packages or not install(need.packages) or need.found() is None:
            say(f"Missing: {need.name}. Left out: {need.used_for}. To have them: {need.remedy}")


def _apt() -> list[str]:
    """The apt-get command with the right to install, or an empty list."""
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
