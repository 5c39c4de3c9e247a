"""Runs the short commands that set a machine up."""

import subprocess
from pathlib import Path

from machine.errors import MachineError


def call(*command: str | Path) -> str:
    """The output of `command`; raises `MachineError` with its last line if it fails."""
    shown = " ".join(str(part) for part in command)
    try:
        done = subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise MachineError(
            f"{command[0]} is not installed; tools/setup debian installs what a machine needs."
        ) from None
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no words").splitlines()[-1]
        raise MachineError(f"`{shown}` failed: {last}")
    return done.stdout
