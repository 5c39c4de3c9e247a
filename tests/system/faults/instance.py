"""An instance as systemd would have it: an engine, a worker, and somebody who starts them again.

Signals go to processes that were started here, and only while they have not been waited for.
"""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Final

from support.engine_process import ROOT, engine_environment
from support.fault_proxy import FaultProxy, Weather
from system.faults.history import Disturbed
from system.faults.plan import Fault, Kind, weather_of

ENGINE_RESTART_SECONDS: Final = 0.1
WORKER_RESTART_SECONDS: Final = (0.1, 1.5)
STOP_SECONDS: Final = 15.0
SOCKET_LOOK_SECONDS: Final = 0.02
_TESTS: Final = ROOT / "tests"
_SKEWED: Final = Path(__file__).with_name("skewed")


@dataclass
class Peculiarities:
    """How an instance differs from the others: its clock is wrong, its disk is full."""

    clock_skew_seconds: float = 0.0
    is_disk_full: bool = False


@dataclass
class Service:
    """One of the two processes; it is there again whenever it has gone, until `ending`."""

    command: list[str]
    environment: Callable[[], Mapping[str, str]]
    log_file: Path
    pause: Callable[[], float]
    started: Callable[[], None]
    ended: Callable[[int], None] = lambda _: None
    process: asyncio.subprocess.Process | None = None
    ending: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Keep it running; returns once it has ended for good."""
        while not self.ending.is_set():
            self.started()
            with self.log_file.open("ab") as log:
                self.process = await asyncio.create_subprocess_exec(
                    *self.command, env=self.environment(), stdout=log, stderr=log
                )
            self.ended(await self.process.wait())
            try:
                await asyncio.wait_for(self.ending.wait(), self.pause())
            except TimeoutError:
                continue

    def send(self, number: signal.Signals) -> bool:
        """Send a signal to the process; returns whether there was one."""
        if self.process is None or self.process.returncode is not None:
            return False
        self.process.send_signal(number)
        return True

    async def freeze(self, seconds: float) -> bool:
        """Stop the process and let it go on later; returns whether there was one."""
        process = self.process
        is_hit = self.send(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            if process is self.process:
                self.send(signal.SIGCONT)
        return is_hit

    async def end(self, running: "asyncio.Task[None]") -> None:
        """Ask it to leave, and see that it does."""
        self.ending.set()
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        done, _ = await asyncio.wait({running}, timeout=STOP_SECONDS)
        if not done:
            self.send(signal.SIGKILL)
        await running


@dataclass
class Instance:
    """A worker behind a proxy of its own, with a real engine; `record` hears of its faults."""

    name: str
    folder: Path
    cloud: Mapping[str, str]
    proxy: FaultProxy
    chance: random.Random
    step_seconds: float
    record: Callable[[Disturbed], None]
    peculiarities: Peculiarities = field(default_factory=Peculiarities)
    exit_codes: list[int] = field(default_factory=list)
    # How many workers were started, the latest that was heard, and what changes with it.
    _workers: int = 0
    _heard: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _sky: asyncio.Lock = field(default_factory=asyncio.Lock)
    engine: Service = field(init=False)
    worker: Service = field(init=False)

    def __post_init__(self) -> None:
        disk = Path("/dev/full") if self.peculiarities.is_disk_full else None
        self.engine = Service(
            [sys.executable, "-m", "system.faults.paced_engine"],
            self._engine_environment,
            self.folder / "engine.log",
            pause=lambda: ENGINE_RESTART_SECONDS,
            started=lambda: self._socket.unlink(missing_ok=True),
        )
        self.worker = Service(
            [sys.executable, "-m", "aistratus_daemon.worker"],
            self._worker_environment,
            disk or self.folder / "worker.log",
            pause=lambda: self.chance.uniform(*WORKER_RESTART_SECONDS),
            started=self._next_worker,
            ended=self.exit_codes.append,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Instance"]:
        """Both services, for the length of a block."""
        async with self.proxy.running():
            tasks = [asyncio.create_task(each.run()) for each in (self.worker, self.engine)]
            try:
                yield self
            finally:
                self.proxy.weather = Weather()
                await self.worker.end(tasks[0])
                await self.engine.end(tasks[1])

    def heard(self, label: str) -> None:
        """The proxy heard something of the worker with this label."""
        number = int(label.rpartition(".")[2])
        if number > self._heard:
            self._heard = number
            self._news.set()
            self._news = asyncio.Event()

    async def until_up(self, worker: int = 1) -> None:
        """Wait for an engine that listens, and for that worker, or a later one, to be heard."""
        while self._heard < worker:
            await self._news.wait()
        while not self._socket.exists():  # noqa: ASYNC110 - a file, and no event comes of it
            await asyncio.sleep(SOCKET_LOOK_SECONDS)

    async def strike(self, fault: Fault) -> bool:
        """Do something to it; returns when it has been put right, and whether it was hit."""
        began = monotonic()
        worker, is_hit = self._workers, True
        match fault.kind:
            case Kind.KILL_WORKER | Kind.DRAIN_WORKER:
                is_kill = fault.kind is Kind.KILL_WORKER
                is_hit = self.worker.send(signal.SIGKILL if is_kill else signal.SIGTERM)
                worker += is_hit
            case Kind.KILL_ENGINE:
                self._socket.unlink(missing_ok=True)
                is_hit = self.engine.send(signal.SIGKILL)
            case Kind.STOP_WORKER:
                is_hit = await self.worker.freeze(fault.seconds)
            case Kind.HANG_ENGINE:
                is_hit = await self.engine.freeze(fault.seconds)
            case kind:
                weather = weather_of(kind)
                assert weather is not None
                async with self._sky:
                    began = monotonic()
                    self.proxy.weather = weather
                    try:
                        await asyncio.sleep(fault.seconds)
                    finally:
                        self.proxy.weather = Weather()
        await self.until_up(worker)
        if is_hit:
            self.record(Disturbed(began, monotonic(), fault.kind, self.name))
        return is_hit

    @property
    def _socket(self) -> Path:
        return self.folder / "engine.sock"

    def _next_worker(self) -> None:
        self._workers += 1
        self.proxy.label = f"{self.name}.{self._workers}"

    def _engine_environment(self) -> Mapping[str, str]:
        return engine_environment(
            self.folder,
            PYTHONPATH=python_path(_TESTS),
            AISTRATUS_STEP_SECONDS=str(self.step_seconds),
            AISTRATUS_ENGINE_THREADS="1",
        )

    def _worker_environment(self) -> Mapping[str, str]:
        environment = {
            **os.environ,
            **self.cloud,
            "AWS_ENDPOINT_URL": self.proxy.url,
            "AISTRATUS_ENGINE_SOCKET": str(self._socket),
            "AISTRATUS_WORKER_ID": self.proxy.label,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        if self.peculiarities.clock_skew_seconds:
            environment["PYTHONPATH"] = python_path(_SKEWED)
            environment["AISTRATUS_CLOCK_SKEW_SECONDS"] = str(self.peculiarities.clock_skew_seconds)
        return environment


def python_path(first: Path) -> str:
    """PYTHONPATH, with a folder before what is there."""
    return os.pathsep.join(filter(None, [str(first), os.environ.get("PYTHONPATH", "")]))
