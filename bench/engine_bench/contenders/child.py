"""Contenders that are the bench's own Python programs: jobs in, outcomes out, a line each."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from engine_bench.contenders.contender import Setup
from engine_bench.processes import Process, Usage, process, python_module
from engine_bench.workload import Job, Outcome

_READY = "ready"


@dataclass
class ChildSession:
    """The bench's end of the child's pipes."""

    process: Process
    start_seconds: float

    def ask(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Ask all; the answers, in the order of the jobs."""
        self.process.stdin.write(json.dumps([asdict(job) for job in jobs]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise self.process.failure("ended in the middle of its work")
        return [Outcome(**outcome) for outcome in json.loads(line)]

    def usage(self) -> Usage:
        """What the child has used so far."""
        return self.process.usage()


@contextmanager
def open_child(setup: Setup, module: str, *more: str) -> Iterator[ChildSession]:
    """A child for the length of a block."""
    arguments = python_module(f"engine_bench.contenders.{module}", str(setup.model.path), *more)
    log = setup.folder / f"{module}.log"
    with process(module, arguments, log, piped=True) as running:
        if running.stdout.readline().strip() != _READY:
            raise running.failure("did not get ready")
        yield ChildSession(running, time.monotonic() - running.began)


def serve(answer: Callable[[Sequence[Job]], list[Outcome]]) -> None:
    """The child's end: answer until standard input ends."""
    sys.stdout.write(f"{_READY}\n")
    sys.stdout.flush()
    for line in sys.stdin:
        outcomes = answer([_job(document) for document in json.loads(line)])
        sys.stdout.write(json.dumps([asdict(outcome) for outcome in outcomes]) + "\n")
        sys.stdout.flush()


def _job(document: dict[str, object]) -> Job:
    turns = tuple((role, text) for role, text in document.pop("turns"))  # type: ignore[attr-defined]
    return Job(turns=turns, **document)  # type: ignore[arg-type]
