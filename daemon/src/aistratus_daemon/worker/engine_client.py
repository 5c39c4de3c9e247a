"""The worker's end of the engine's socket.

It connects whenever there is an engine. When the engine goes away, every open stream is told, and
the jobs go on from their committed tokens once it is back. An engine that is silent for too long
counts as gone: nobody waits for it forever.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Final

from aistratus_daemon.errors import DaemonError, FrameError
from aistratus_daemon.frames import (
    MAX_FRAME_BYTES,
    Cancel,
    Done,
    Failed,
    Frame,
    Generate,
    JobNotice,
    NewTokens,
    Probe,
    Ready,
    Stats,
    Tokens,
    Unknown,
    decode_frame,
    encode_frame,
)

log = logging.getLogger("worker")

# The engine's socket appears when its model is loaded; systemd's restart takes about a second.
RECONNECT_SECONDS: Final = 0.1

# While it has jobs, an engine sends its stats every 10 s, and its watchdog ends it if it hangs for
# 30. An engine that is silent, or does not read, for longer than this is given up.
SILENCE_SECONDS: Final = 120.0

JobFrame = NewTokens | JobNotice | Done | Failed | Unknown


class EngineLost(DaemonError):
    """The engine went away while it worked on this job."""


class FrameTooLong(DaemonError):
    """A request is longer than the engine reads, so it was not sent."""


class _Lost:
    """Marks in a stream's queue that the engine went away."""


@dataclass
class JobStream:
    """What the engine says about one job."""

    client: "EngineClient"
    name: str
    frames: asyncio.Queue[JobFrame | _Lost] = field(default_factory=asyncio.Queue)

    async def next(self, timeout_seconds: float) -> JobFrame | None:
        """The next frame, or None if none comes in time; raises `EngineLost`."""
        # Not `wait_for`: in Python 3.11 it swallows a cancellation that meets a frame.
        try:
            async with asyncio.timeout(timeout_seconds):
                frame = await self.frames.get()
        except TimeoutError:
            return None
        if isinstance(frame, _Lost):
            raise EngineLost("The engine went away in the middle of an answer.")
        return frame

    def cancel(self) -> None:
        """Ask the engine to stop; a `Done` follows."""
        self.client.post(Cancel(self.name))

    def probe(self) -> None:
        """Ask whether the engine has this job; an `Unknown` follows only if it has not."""
        self.client.post(Probe(self.name))

    def close(self) -> None:
        """Take no more frames."""
        self.client.forget(self)


@dataclass
class EngineClient:
    """One connection to the engine, reopened whenever it breaks.

    `counted` is called with the engine's stats as they come; `stats` is the latest. `lost` is
    called when the engine goes away, before any of its jobs is told.
    """

    path: Path
    counted: Callable[[Stats], None]
    lost: Callable[[], None]
    stats: Stats | None = None
    # How many tokens a job's context has, according to the latest engine.
    context: int = 0
    _ready: asyncio.Future[Ready] = field(init=False)
    _writer: asyncio.StreamWriter | None = None
    _streams: dict[str, JobStream] = field(default_factory=dict)
    _requests: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self._ready = asyncio.get_running_loop().create_future()

    async def ready(self) -> Ready:
        """What the connected engine said when it was ready; waits until there is one."""
        return await asyncio.shield(self._ready)

    @property
    def slots(self) -> int:
        """How many jobs the engine runs at once; 0 while there is none."""
        return self._ready.result().slots if self._ready.done() else 0

    async def open(self, request: Generate) -> JobStream:
        """Hand a job to the engine; raises `EngineLost` when there is none, or `FrameTooLong`.

        The request gets a name of its own: late frames for an earlier request of the same job
        must not be taken for this one's.
        """
        name = f"{request.job_id}#{next(self._requests)}"
        stream = JobStream(self, name)
        self._streams[name] = stream
        try:
            await self.send(replace(request, job_id=name))
        except BaseException:
            self.forget(stream)
            raise
        return stream

    def forget(self, stream: JobStream) -> None:
        """Drop frames for this stream from now on."""
        self._streams.pop(stream.name, None)

    async def send(self, frame: Frame) -> None:
        """Send a frame; raises `EngineLost`, or `FrameTooLong`."""
        if self._writer is None:
            raise EngineLost("The engine is not there.")
        line = encode_frame(frame)
        if len(line) > MAX_FRAME_BYTES:
            raise FrameTooLong(
                f"This conversation takes {len(line)} bytes, and the engine reads at most "
                f"{MAX_FRAME_BYTES}; begin a new one."
            )
        try:
            self._writer.write(line)
            async with asyncio.timeout(SILENCE_SECONDS):
                await self._writer.drain()
        except OSError as error:
            self._lose()
            raise EngineLost(f"The engine went away: {str(error) or 'it reads no more'}") from error

    def post(self, frame: Cancel | Probe) -> None:
        """Send a short frame without waiting until it is written; raises `EngineLost`."""
        if self._writer is None:
            raise EngineLost("The engine is not there.")
        self._writer.write(encode_frame(frame))

    async def run(self) -> None:
        """Keep the connection until cancelled."""
        while True:
            try:
                reader, self._writer = await asyncio.open_unix_connection(
                    self.path, limit=MAX_FRAME_BYTES
                )
            except OSError:
                await asyncio.sleep(RECONNECT_SECONDS)
                continue
            try:
                await self._listen(reader)
            except (OSError, ValueError, FrameError) as error:
                log.error("The connection to the engine broke: %s", error)
            finally:
                self._lose()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while line := await self._next_line(reader):
            match decode_frame(line):
                case Ready() as ready:
                    self.context = ready.context
                    log.info("The engine is ready with %d slots.", ready.slots)
                    if not self._ready.done():
                        self._ready.set_result(ready)
                case Stats() as stats:
                    self.stats = stats
                    self.counted(stats)
                case Tokens(items):
                    for item in items:
                        self._pass_on(item)
                case (JobNotice() | Done() | Failed() | Unknown()) as frame:
                    self._pass_on(frame)
                case _:
                    raise FrameError("The engine sent a frame that only the worker sends.")
        log.warning("The engine closed the connection.")

    async def _next_line(self, reader: asyncio.StreamReader) -> bytes:
        """The next line; empty if the engine is gone, or silent although it has jobs."""
        while True:
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    return await reader.readline()
            except TimeoutError:
                if self._streams:
                    log.error("The engine says nothing; hanging up.")
                    return b""

    def _pass_on(self, frame: JobFrame) -> None:
        stream = self._streams.get(frame.job_id)
        if stream is not None:
            stream.frames.put_nowait(frame)

    def _lose(self) -> None:
        if self._writer is not None:
            # Unsent frames are not worth waiting for.
            self._writer.transport.abort()
        self._writer = None
        if self._ready.done():
            self._ready = asyncio.get_running_loop().create_future()
            self.lost()
        for stream in self._streams.values():
            stream.frames.put_nowait(_Lost())
