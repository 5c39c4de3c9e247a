"""Processes under measurement: started, observed, and certain to be gone at the end."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from aistratus_local.environment import clean_environment
from engine_bench.errors import BenchError

BENCH_FOLDER: Final = Path(__file__).resolve().parents[1]
HOST: Final = "127.0.0.1"
READY_SECONDS: Final = 120.0
STOP_SECONDS: Final = 10.0
PROBE_SECONDS: Final = 0.005
_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class Usage:
    """What processes have used since their start, and the memory that they hold now."""

    cpu_seconds: float
    peak_mib: float
    resident_mib: float


def usage_of(pids: Sequence[int]) -> Usage:
    """The sum over some processes."""
    each = [_usage(pid) for pid in pids]
    return Usage(
        sum(one.cpu_seconds for one in each),
        sum(one.peak_mib for one in each),
        sum(one.resident_mib for one in each),
    )


def _usage(pid: int) -> Usage:
    folder = Path("/proc") / str(pid)
    # Split after the command, which may hold spaces: utime, stime are fields 14, 15 of proc(5).
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    cpu = (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND
    status = dict(
        line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line
    )
    peak, resident = (int(status[name].split()[0]) / 1024 for name in ("VmHWM", "VmRSS"))
    return Usage(cpu, peak, resident)


@dataclass
class Process:
    """A running process. `stdin` and `stdout` exist only if they were asked for."""

    name: str
    popen: "subprocess.Popen[str]"
    log: Path
    began: float = field(default_factory=time.monotonic)

    @property
    def stdin(self) -> IO[str]:
        """Where it reads."""
        if self.popen.stdin is None:
            raise BenchError(f"{self.name} has no standard input.")
        return self.popen.stdin

    @property
    def stdout(self) -> IO[str]:
        """What it says."""
        if self.popen.stdout is None:
            raise BenchError(f"{self.name} has no standard output.")
        return self.popen.stdout

    def usage(self) -> Usage:
        """What it has used so far."""
        return usage_of([self.popen.pid])

    def until(self, is_ready: Callable[[], bool]) -> None:
        """Return once it is ready; raises `BenchError` if it ends first or takes too long."""
        while not is_ready():
            if self.popen.poll() is not None:
                raise self.failure("ended while it was starting")
            if time.monotonic() - self.began > READY_SECONDS:
                raise self.failure(f"was not ready after {READY_SECONDS:.0f} seconds")
            time.sleep(PROBE_SECONDS)

    def failure(self, what: str) -> BenchError:
        """An error that repeats the end of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return BenchError(f"{self.name} {what}. The end of its log:\n" + "\n".join(lines[-5:]))

    def stop(self) -> None:
        """SIGTERM, then SIGKILL; returns when it is gone."""
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe is not None:
                pipe.close()
        self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


@contextmanager
def process(
    name: str,
    arguments: Sequence[str],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    piped: bool = False,
) -> Iterator[Process]:
    """A process for the length of a block."""
    pipe = subprocess.PIPE if piped else subprocess.DEVNULL
    with log.open("wb") as file:
        popen = subprocess.Popen(
            arguments,
            stdin=pipe,
            stdout=pipe if piped else file,
            stderr=file,
            env={**own_environment(), **(environment or {})},
            text=True,
            encoding="utf-8",
            # Ctrl-C at the terminal is for the bench, which stops the rest.
            start_new_session=True,
            preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 - no other thread runs by then
        )
    running = Process(name, popen, log)
    try:
        yield running
    finally:
        running.stop()


def own_environment() -> dict[str, str]:
    """The person's environment without Aistratus settings, and with a path to bench's modules."""
    kept = clean_environment(os.environ)
    before = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    paths = [str(Path(path).resolve()) for path in before]
    return {**kept, "PYTHONPATH": os.pathsep.join(dict.fromkeys([*paths, str(BENCH_FOLDER)]))}


def python_module(name: str, *more: str) -> list[str]:
    """The command line of a Python module."""
    return [sys.executable, "-m", name, *more]


def free_port() -> int:
    """A port on loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0))


def _die_with(parent: int) -> Callable[[], None]:
    """What a child does first: ask the kernel to end it when the bench is killed."""
    libc = ctypes.CDLL(None)

    def prepare() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the kernel was asked
            os._exit(1)

    return prepare
