"""The engine's socket and its main loop.

One thread checks who connects, one reads frames, the main thread computes. One worker is served at
a time; when it leaves, its requests are forgotten and the next worker is served.
"""

import gc
import logging
import queue
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from aistratus_contracts.errors import JobErrorCode
from aistratus_contracts.limits import MAX_ERROR_CHARS
from aistratus_daemon.engine.door import Door, listen
from aistratus_daemon.engine.forms import Forms
from aistratus_daemon.engine.llama import Llama
from aistratus_daemon.engine.scheduler import Scheduler
from aistratus_daemon.engine.settings import EngineSettings
from aistratus_daemon.errors import FrameError
from aistratus_daemon.frames import (
    MAX_FRAME_BYTES,
    Cancel,
    Done,
    Failed,
    Frame,
    Generate,
    Probe,
    Ready,
    Unknown,
    decode_frame,
    encode_frame,
    job_in,
)
from aistratus_daemon.notify import Watchdog

log = logging.getLogger("engine")

STATS_SECONDS: Final = 10.0
# How long the loop rests when there is nothing to compute; a frame ends the rest at once.
IDLE_SECONDS: Final = 1.0
# A worker that takes no frame for this long hangs; the engine does not wait for it.
SEND_TIMEOUT_SECONDS: Final = 10
# The kernel's `struct timeval`: two native longs.
_SEND_TIMEOUT: Final = struct.pack("ll", SEND_TIMEOUT_SECONDS, 0)


@dataclass(frozen=True, slots=True)
class _Connected:
    connection: socket.socket


class _Gone:
    """The worker has closed its end."""


class _Stop:
    """The process was asked to end."""


class _Formed:
    """A form is ready: there is a step to make."""


_Inbox = queue.SimpleQueue[Frame | _Connected | _Gone | _Stop | _Formed]


def load_server(settings: EngineSettings, watchdog: Watchdog) -> "EngineServer":
    """A server with its model loaded; raises `ModelError`."""
    server = EngineServer(Llama(settings), settings, watchdog)
    # What exists now stays: the garbage collector need not scan it again and again.
    gc.freeze()
    return server


@dataclass
class EngineServer:
    """Serves one model on one unix socket until `stop` is called."""

    llama: Llama
    settings: EngineSettings
    watchdog: Watchdog
    _inbox: _Inbox = field(default_factory=queue.SimpleQueue)
    _connection: socket.socket | None = None
    _stats_at: float = 0.0
    # Requests that have not ended, whatever stage they are at.
    _open: set[str] = field(default_factory=set)
    _forms: Forms = field(init=False)
    _scheduler: Scheduler = field(init=False)

    def __post_init__(self) -> None:
        # Prepare what every job needs before the first one comes.
        self.llama.vocabulary.prepare()
        self._forms = Forms(self.llama.vocabulary, lambda: self._inbox.put(_Formed()))
        self._scheduler = Scheduler(
            self.llama,
            self._send,
            self._forms,
            has_news=lambda: not self._inbox.empty(),
            parked_bytes=self.settings.parked_mib * 1024 * 1024,
            system_prompt=self.settings.system_prompt,
        )

    def listen(self) -> socket.socket:
        """Open the socket; from here on a worker can connect."""
        return listen(self.settings.socket, self.settings.peers)

    def run(self, listener: socket.socket) -> None:
        """Compute until stopped."""
        door = Door(listener, self.settings.peers)
        threading.Thread(target=door.keep, daemon=True).start()
        threading.Thread(target=self._read, args=(door,), daemon=True).start()
        self._forms.start()
        while self._handle_frames():
            self._scheduler.step()
            self.watchdog.feed()
            self._send_stats()
        door.close()
        self._hang_up()
        self._forms.close()

    def stop(self) -> None:
        """End `run` after the current step; may be called from a signal handler."""
        self._inbox.put(_Stop())

    # --- the main thread ---

    def _handle_frames(self) -> bool:
        """Handle what has come in; returns False when it is time to end."""
        may_rest = self._scheduler.is_idle
        while True:
            try:
                item = self._inbox.get(block=may_rest, timeout=IDLE_SECONDS)
            except queue.Empty:
                return True
            may_rest = False
            match item:
                case _Stop():
                    return False
                case _Connected(connection):
                    self._connection = connection
                    self._send(Ready(self.llama.slots, self.llama.context))
                case _Formed():
                    pass  # the next step takes it
                case _Gone():
                    self._scheduler.drop_all()
                    self._open.clear()
                    self._hang_up()
                case Generate():
                    self._open.add(item.job_id)
                    self._scheduler.generate(item)
                case Cancel():
                    self._scheduler.cancel(item.job_id)
                case Probe(job_id):
                    if job_id not in self._open:
                        self._send(Unknown(job_id))
                case Failed():
                    # The reading thread could not read a request: its job must not wait.
                    self._send(item)
                case _:
                    log.error("The worker sent a frame that only the engine sends; ignored.")

    def _send(self, frame: Frame) -> None:
        if isinstance(frame, Done | Failed):
            self._open.discard(frame.job_id)
        if self._connection is None:
            return
        try:
            self._connection.sendall(encode_frame(frame))
        except OSError as error:
            log.warning("The worker does not take frames (%s); hanging up.", error)
            self._hang_up()

    def _send_stats(self) -> None:
        now = time.monotonic()
        if now - self._stats_at >= STATS_SECONDS:
            self._stats_at = now
            self._send(self._scheduler.stats())

    def _hang_up(self) -> None:
        if self._connection is not None:
            # The reading thread then sees the end of file, and closes the socket.
            try:
                self._connection.shutdown(socket.SHUT_RDWR)
            except OSError as error:
                log.debug("The worker had gone already: %s", error)
            self._connection = None

    # --- the reading thread ---

    def _read(self, door: Door) -> None:
        while True:
            connection = door.next()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _SEND_TIMEOUT)
            log.info("A worker has connected.")
            self._inbox.put(_Connected(connection))
            with connection:
                for frame in read_frames(connection):
                    self._inbox.put(frame)
            log.info("The worker has gone.")
            self._inbox.put(_Gone())


def read_frames(connection: socket.socket) -> Iterator[Frame]:
    """The frames that come in, until the other side closes.

    A request that cannot be read or is too long, but names its job, comes as a `Failed`. Any other
    line of that kind is logged and skipped, and the connection stays: closing it would interrupt
    all the worker's jobs for the sake of one, and a `Probe` finds out about the skipped one. An
    overlong line is not kept in memory.
    """
    with connection.makefile("rb") as stream:
        is_skipping = False
        while True:
            try:
                line = stream.readline(MAX_FRAME_BYTES)
            except OSError as error:
                log.warning("The connection to the worker broke: %s", error)
                return
            if not line:
                return
            is_whole = line.endswith(b"\n")
            if not (is_skipping or is_whole):
                yield from _too_long(line)
            elif not is_skipping:
                yield from _read(line)
            is_skipping = not is_whole


def _read(line: bytes) -> Iterator[Frame]:
    try:
        yield decode_frame(line)
    except FrameError as error:
        log.error("%s It is skipped.", error)
        if error.job_id is not None:
            yield Failed(error.job_id, JobErrorCode.INVALID_REQUEST, str(error)[:MAX_ERROR_CHARS])


def _too_long(beginning: bytes) -> Iterator[Frame]:
    log.error("A frame is cut off or longer than %d bytes; it is skipped.", MAX_FRAME_BYTES)
    job_id = job_in(beginning)
    if job_id is not None and len(beginning) == MAX_FRAME_BYTES:
        yield Failed(
            job_id,
            JobErrorCode.PROMPT_TOO_LONG,
            f"This conversation takes more than {MAX_FRAME_BYTES} bytes; begin a new one.",
        )
