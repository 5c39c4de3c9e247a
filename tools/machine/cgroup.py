"""A control group for each machine: two systemds in one would kill each other's services."""

import os
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Final

_MOUNTS: Final = Path("/sys/fs/cgroup")
# The mounts of systemd's own tree, by the name in /proc/self/cgroup: alone (v2), beside the
# controllers of v1 (hybrid), or among them (legacy).
_TREES: Final = {"": ("unified", "."), "name=systemd": ("systemd",)}


def folders(name: str) -> list[Path]:
    """The group's folders, one for each of systemd's trees on this host."""
    found = []
    for line in Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines():
        _, controllers, path = line.split(":", 2)
        for mount in _TREES.get(controllers, ()):
            base = _MOUNTS / mount
            if (base / "cgroup.procs").exists():
                found.append(base / path.lstrip("/") / f"aistratus-machine-{name}")
                break
    return found


def entering(groups: list[Path], command: list[str]) -> list[str]:
    """Make the groups; returns the command that runs `command` in them."""
    for group in groups:
        group.mkdir(exist_ok=True)
    moves = [f"echo $$ > {shlex.quote(str(group))}/cgroup.procs" for group in groups]
    return ["sh", "-ec", "\n".join([*moves, 'exec "$0" "$@"']), *command]


def remove(groups: list[Path]) -> None:
    """Remove the groups from the leaves up; those that still contain a process stay."""
    for group in groups:
        for folder, _, _ in os.walk(group, topdown=False):
            with suppress(OSError):
                Path(folder).rmdir()
