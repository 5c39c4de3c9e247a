"""The record of each machine, by which later processes can reach it or remove it.

The records are in `/run`: like mounts and namespaces, they do not survive a reboot.
"""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from machine.errors import MachineError
from machine.process import Process

FOLDER: Final = Path("/run/aistratus-machine")
_RECORD: Final = "machine.json"
# Each machine gets four addresses of 10.213.0.0/16: network, host, machine, broadcast.
_NETWORKS: Final = range(1, 255)


@dataclass(frozen=True)
class Record:
    """One machine: its owner, its files and its supervisor.

    `owner` is the process that it ends with, or None if it is kept until it is stopped.
    `starter` is the process that boots it. `supervisor` is None until systemd-nspawn runs.
    """

    name: str
    network: int
    layers: Path
    cgroups: tuple[Path, ...]
    owner: Process | None
    starter: Process | None
    supervisor: Process | None = None

    @property
    def folder(self) -> Path:
        """The folder of its keys, console log and this record."""
        return FOLDER / self.name

    @property
    def root(self) -> Path:
        """The machine's file system, as seen from the host."""
        return self.layers / "root"

    @property
    def namespace(self) -> str:
        """The name of its network namespace."""
        return f"aistratus-{self.network}"

    @property
    def link(self) -> str:
        """The host's end of the link to it."""
        return f"aistratus{self.network}"

    @property
    def host_address(self) -> str:
        """The host's address, as the machine sees it."""
        return f"10.213.{self.network}.1"

    @property
    def address(self) -> str:
        """The machine's address."""
        return f"10.213.{self.network}.2"

    @property
    def is_left_over(self) -> bool:
        """Whether its owner has ended or, if it has none, whether the machine itself has.

        While it is booted, who boots it stands for the machine.
        """
        stands_for_it = self.owner or self.supervisor or self.starter
        return stands_for_it is None or not stands_for_it.runs()

    def write(self) -> None:
        """Write the record to its folder."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        half = self.folder / f"{_RECORD}.part"
        half.write_text(json.dumps(asdict(self), default=str), encoding="utf-8")
        half.replace(self.folder / _RECORD)


def read_all() -> list[Record]:
    """All known machines, in the order of their names."""
    return [_read(path) for path in sorted(FOLDER.glob(f"*/{_RECORD}"))]


def find(name: str) -> Record:
    """The machine of that name; raises `MachineError` if there is none."""
    path = FOLDER / name / _RECORD
    if not path.exists():
        known = ", ".join(record.name for record in read_all()) or "there is none"
        raise MachineError(f"There is no machine {name} (known: {known}).")
    return _read(path)


def free_network(records: list[Record]) -> int:
    """A network that no machine uses."""
    taken = {record.network for record in records}
    free = next((number for number in _NETWORKS if number not in taken), None)
    if free is None:
        raise MachineError("All networks are taken; stop a machine (python3 -m machine list).")
    return free


@contextmanager
def locked() -> Iterator[None]:
    """Allows one process at a time to change the records."""
    FOLDER.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (FOLDER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(path: Path) -> Record:
    fields = json.loads(path.read_text(encoding="utf-8"))
    return Record(
        name=fields["name"],
        network=fields["network"],
        layers=Path(fields["layers"]),
        cgroups=tuple(Path(each) for each in fields["cgroups"]),
        owner=Process(**fields["owner"]) if fields["owner"] else None,
        starter=Process(**fields["starter"]) if fields["starter"] else None,
        supervisor=Process(**fields["supervisor"]) if fields["supervisor"] else None,
    )
