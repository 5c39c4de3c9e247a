"""What all contenders have in common."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engine_bench.models import BenchModel
from engine_bench.processes import Usage
from engine_bench.workload import Job, Outcome


class Session(Protocol):
    """A running contender. `start_seconds`: from its process's start until it could answer."""

    @property
    def start_seconds(self) -> float:
        """See above."""

    def ask(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Ask all at once, or each after its delay; the answers, in the order of the jobs."""

    def usage(self) -> Usage:
        """What its processes have used so far."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a session is opened with: `jobs` is how many will be asked at once."""

    model: BenchModel
    jobs: int
    folder: Path  # for sockets and logs


Open = Callable[[Setup], AbstractContextManager[Session]]


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to get tokens out of a model. `is_serial`: it answers one job after the other."""

    name: str
    open: Open
    is_serial: bool = False
