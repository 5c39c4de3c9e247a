"""A control group for each machine: two systemds in one would end each other's services."""

import os
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Final

_MOUNTS: Final = Path("/sys/fs/cgroup")
# Where systemd keeps its own tree, by the name in /proc/self/cgroup: alone (v2), beside the
# controllers of v1 (hybrid), or among them (legacy).
_TREES: Final = {"": ("unified", "."), "name=systemd": ("systemd",)}


def folders(name: str) -> list[Path]:
    """The group's folders, one for each tree of systemd's that there is here."""
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
    """`command`, to be run in them; they are made."""
    for group in groups:
        group.mkdir(exist_ok=True)
    moves = [f"echo $$ > {shlex.quote(str(group))}/cgroup.procs" for group in groups]
    return ["sh", "-ec", "\n".join([*moves, 'exec "$0" "$@"']), *command]


def remove(groups: list[Path]) -> None:
    """Take away what is left of them, from the leaves on; what still holds a process stays."""
    for group in groups:
        for folder, _, _ in os.walk(group, topdown=False):
            with suppress(OSError):
                Path(folder).rmdir()
