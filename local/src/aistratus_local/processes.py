"""One process of the system: start it, await it, restart it or report its death, stop it."""

import asyncio
import contextlib
import ctypes
import os
import resource
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aistratus_local.errors import LocalError
from aistratus_local.watchdog import Watchdog

PROBE_PERIOD_SECONDS: Final = 0.02
# As systemd does for the services on an instance: Restart=, RestartSec=, StartLimit….
RESTART_PAUSE_SECONDS: Final = 0.5
MAX_RESTARTS: Final = 5
RESTART_WINDOW_SECONDS: Final = 60.0
# Time for a hung process to dump its stack after SIGABRT; a stopped one reacts only to SIGKILL.
ABORT_SECONDS: Final = 1.0
_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None) if sys.platform == "linux" else None

Address = tuple[str, int] | Path


class ProcessFailed(LocalError):
    """A part exited or did not start; the text names its log and quotes the log's last line."""

    def __init__(self, name: str, what: str, log: Path) -> None:
        super().__init__(f"The {name} {what}. Its log is {log}{_last_line(log)}")
        self.name = name


@dataclass(frozen=True, slots=True)
class Part:
    """How to run one process.

    `address` is where it accepts connections once ready; None if there is nothing to connect to.
    `restarts`: restart it when it dies, as systemd would; otherwise its death ends the system.
    `watchdog_seconds`: how long it may be silent after it has reported ready by sd_notify(3)
    before it counts as hung and is killed.
    """

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    address: Address | None = None
    restarts: bool = False
    ready_seconds: float = 60.0
    stop_seconds: float = 5.0
    watchdog_seconds: float | None = None


async def nothing() -> None:
    """The `between_lives` of most parts."""


class Child:
    """A running `Part`.

    `on_restart` is told why it was restarted. `between_lives` is awaited after each exit, before
    the restart.
    """

    def __init__(
        self,
        part: Part,
        on_failure: Callable[[ProcessFailed], None],
        on_restart: Callable[[str], None] = lambda _: None,
        between_lives: Callable[[], Awaitable[None]] = nothing,
    ) -> None:
        self.part = part
        self.restarts = 0
        self._on_failure = on_failure
        self._on_restart = on_restart
        self._between_lives = between_lives
        self._watchdog: Watchdog | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._is_stopping = False

    @property
    def pid(self) -> int | None:
        """Its process id; None when it does not run."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    async def start(self) -> None:
        """Start it and supervise it from now on."""
        try:
            self.part.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.part.log.unlink(missing_ok=True)
            if self.part.watchdog_seconds is not None:
                self._watchdog = Watchdog(self.part.watchdog_seconds, self.part.stop_seconds)
            await self._spawn()
        except OSError as error:
            raise LocalError(
                f"The {self.part.name} cannot be started, with its log at {self.part.log} "
                f"({error.strerror}). AISTRATUS_STATE_DIR sets another place for logs."
            ) from None
        self._watch = asyncio.create_task(self._keep())

    async def until_ready(self) -> None:
        """Return once it accepts connections at its address; raises `ProcessFailed`."""
        address = self.part.address
        if address is None:
            return
        deadline = time.monotonic() + self.part.ready_seconds
        while not await _answers(address):
            if self._watch is None or self._watch.done():
                raise self._failure("ended while it was starting")
            if time.monotonic() > deadline:
                raise self._failure(f"was not ready after {self.part.ready_seconds:.0f} seconds")
            await asyncio.sleep(PROBE_PERIOD_SECONDS)

    async def stop(self) -> None:
        """Send SIGTERM, and SIGKILL after `stop_seconds`; returns when it is gone."""
        self._is_stopping = True
        if self._watch is not None:  # first of all: it must not restart the part
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self.pid is not None:
            self._signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(self.part.stop_seconds):
                    await self._ended()
            except TimeoutError:
                self._signal(signal.SIGKILL)
                await self._ended()
        if self._watchdog is not None:
            self._watchdog.close()
            self._watchdog = None

    def kill(self) -> None:
        """Send SIGKILL at once; does not wait."""
        self._is_stopping = True
        self._signal(signal.SIGKILL)

    async def _spawn(self) -> None:
        environment = dict(self.part.environment)
        if self._watchdog is not None:
            self._watchdog.reset()
            environment |= self._watchdog.environment
        with self.part.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.part.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                cwd=self.part.log.parent,
                # Only the supervisor gets Ctrl-C from the terminal: it stops the rest in order.
                start_new_session=True,
                preexec_fn=_die_with(os.getpid()),
            )

    async def _keep(self) -> None:
        """Restart it after each exit; report the exit that a restart cannot mend."""
        ends: deque[float] = deque(maxlen=MAX_RESTARTS)
        while True:
            code, how = await self._end_of_life()
            if self._is_stopping:
                return
            now = time.monotonic()
            is_hopeless = len(ends) == MAX_RESTARTS and now - ends[0] < RESTART_WINDOW_SECONDS
            # Codes 2 and 3 mean that a restart with the same settings would not help.
            if not self.part.restarts or is_hopeless or code in (2, 3):
                self._on_failure(self._failure(f"ended unexpectedly ({how})"))
                return
            if code != 0:  # a clean exit, as of a worker whose instance is taken, is no failure
                ends.append(now)
            self.restarts += 1
            await asyncio.sleep(RESTART_PAUSE_SECONDS)
            await self._between_lives()
            await self._spawn()
            self._on_restart(f"{self.part.name} ({how}), started again")

    async def _end_of_life(self) -> tuple[int, str]:
        """Wait for its exit: the code, and what happened in words; kills it when it hangs."""
        ended = asyncio.create_task(self._ended())
        if self._watchdog is None:
            return (code := await ended), _describe(code)
        starved = asyncio.create_task(self._watchdog.starved())
        try:
            await asyncio.wait({ended, starved}, return_when=asyncio.FIRST_COMPLETED)
            hung = self.pid
            if hung is None:
                return (code := await ended), _describe(code)
            # As systemd does it. A process that handles SIGABRT can still say where it hangs.
            _signal_group(hung, signal.SIGABRT)
            await asyncio.wait({ended}, timeout=ABORT_SECONDS)
            _signal_group(hung, signal.SIGKILL)
            code = await ended
            return code, f"hung for {self._watchdog.seconds:g} s, {_describe(code)}"
        finally:
            starved.cancel()
            ended.cancel()

    async def _ended(self) -> int:
        assert self._process is not None, "start() comes first"  # noqa: S101
        return await self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        """Signal the part; SIGKILL also goes to everything that it has started."""
        if self.pid is not None:
            if number is signal.SIGKILL:
                _signal_group(self.pid, number)
            else:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, number)

    def _failure(self, what: str) -> ProcessFailed:
        return ProcessFailed(self.part.name, what, self.part.log)


def _signal_group(leader: int, number: signal.Signals) -> None:
    """Signal a part's process and all that it has started, some of which may outlive it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, number)


async def _answers(address: Address) -> bool:
    """Whether anything accepts connections there."""
    if isinstance(address, Path):
        family, target = socket.AF_UNIX, str(address)
    else:
        family, target = socket.AF_INET, address  # type: ignore[assignment]
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(probe, target)
        except OSError:
            return False
    return True


def _die_with(parent: int) -> Callable[[], None]:
    """What a child does before exec: ask the kernel to kill it when its parent ends.

    It also disables core dumps, which would contain prompts and answers.
    """

    def prepare() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # the parent ended before the kernel was asked
                os._exit(1)

    return prepare


def _describe(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return f"; its last line: {lines[-1][:300]}" if lines else "."
