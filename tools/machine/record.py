"""What is known of each machine, so that whoever comes later can reach it, or clear it away.

The records lie in `/run`: they go with a reboot, as mounts and namespaces do.
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
# Each machine has four addresses of 10.213.0.0/16: net, host's side, machine's side, broadcast.
_NETWORKS: Final = range(1, 255)


@dataclass(frozen=True)
class Record:
    """One machine: who wanted it, where it lies, and what runs it.

    `owner` is the process with which it ends, None for one that is kept until it is stopped.
    `supervisor` is None until systemd-nspawn is there.
    """

    name: str
    network: int
    layers: Path
    cgroups: tuple[Path, ...]
    owner: Process | None
    supervisor: Process | None = None

    @property
    def folder(self) -> Path:
        """Keys, console log and this record."""
        return FOLDER / self.name

    @property
    def root(self) -> Path:
        """The machine's file system, as it is seen from here."""
        return self.layers / "root"

    @property
    def namespace(self) -> str:
        """The name of its network namespace."""
        return f"aistratus-{self.network}"

    @property
    def link(self) -> str:
        """The host's end of the cable to it."""
        return f"aistratus{self.network}"

    @property
    def host_address(self) -> str:
        """This host's address, as the machine knows it."""
        return f"10.213.{self.network}.1"

    @property
    def address(self) -> str:
        """The machine's address."""
        return f"10.213.{self.network}.2"

    @property
    def is_left_over(self) -> bool:
        """Whether nobody wants it any more: its owner is gone, or it has ended."""
        gone = self.supervisor is None or not self.supervisor.runs()
        return not self.owner.runs() if self.owner is not None else gone

    def write(self) -> None:
        """Keep it."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        half = self.folder / f"{_RECORD}.part"
        half.write_text(json.dumps(asdict(self), default=str), encoding="utf-8")
        half.replace(self.folder / _RECORD)


def read_all() -> list[Record]:
    """All machines that are known, by name."""
    return [_read(path) for path in sorted(FOLDER.glob(f"*/{_RECORD}"))]


def find(name: str) -> Record:
    """The machine of that name."""
    path = FOLDER / name / _RECORD
    if not path.exists():
        known = ", ".join(record.name for record in read_all()) or "there is none"
        raise MachineError(f"There is no machine {name} (known: {known}).")
    return _read(path)


def free_network(records: list[Record]) -> int:
    """A network that no machine has."""
    taken = {record.network for record in records}
    free = next((number for number in _NETWORKS if number not in taken), None)
    if free is None:
        raise MachineError("All networks are taken; stop a machine (python3 -m machine list).")
    return free


@contextmanager
def locked() -> Iterator[None]:
    """One process at a time that starts or stops machines."""
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
        supervisor=Process(**fields["supervisor"]) if fields["supervisor"] else None,
    )
