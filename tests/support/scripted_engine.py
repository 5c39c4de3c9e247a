"""An engine that says what a test tells it to, over the real socket, in real frames."""

import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from aistratus_contracts.event import Usage
from aistratus_contracts.states import FinishReason
from aistratus_daemon.frames import (
    Cancel,
    Done,
    Frame,
    Generate,
    NewTokens,
    Ready,
    Stats,
    Tokens,
    decode_frame,
    encode_frame,
)

PATIENCE_SECONDS = 30.0
# The answer that it gives when told to go on: one letter per token.
ANSWER = "abcdefghijklmnopqrstuvwxyz"


def stats(**changes: float) -> Stats:
    """The counts of an engine that has done nothing yet, but for the changes."""
    nothing: dict[str, Any] = dict.fromkeys((field.name for field in fields(Stats)), 0)
    return Stats(**{**nothing, **changes})


def job_of(request: Generate) -> str:
    """The job that a request is for."""
    return request.job_id.partition("#")[0]


@dataclass
class ScriptedEngine:
    """The other end of a worker's socket. Its model answers every prompt with the alphabet."""

    socket_path: Path
    slots: int = 4
    _asked: queue.SimpleQueue[Generate] = field(default_factory=queue.SimpleQueue)
    _cancelled: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)
    _connected: threading.Event = field(default_factory=threading.Event)
    _connection: socket.socket | None = None

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                self._connection, _ = listener.accept()
            except OSError:
                return
            with self._connection, suppress(ConnectionError):  # a worker that leaves at once
                self.send(Ready(self.slots, 1024))
                self._connected.set()
                self._read(self._connection)

    def _read(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as lines:
            for line in lines:
                match decode_frame(line):
                    case Generate() as request:
                        self._asked.put(request)
                    case Cancel(job_id):
                        self._cancelled.put(job_id.partition("#")[0])

    def send(self, frame: Frame) -> None:
        assert self._connection is not None
        self._connection.sendall(encode_frame(frame))

    def next_request(self) -> Generate:
        return self._asked.get(timeout=PATIENCE_SECONDS)

    def is_asked_within(self, seconds: float) -> bool:
        """Whether a request is there or comes in time; it is not taken."""
        deadline = time.monotonic() + seconds
        while self._asked.empty() and time.monotonic() < deadline:
            time.sleep(0.005)
        return not self._asked.empty()

    def next_cancel(self) -> str:
        return self._cancelled.get(timeout=PATIENCE_SECONDS)

    def say(self, request: Generate, until: int, since: int | None = None) -> None:
        """Go on with the answer up to that token: from `since`, or from what was committed."""
        ids = range(len(request.committed) if since is None else since, until)
        text = "".join(ANSWER[number] for number in ids)
        self.send(Tokens((NewTokens(request.job_id, tuple(ids), text),)))

    def end(self, request: Generate, reason: FinishReason = FinishReason.STOP) -> None:
        self.send(Done(request.job_id, reason, Usage(7, 0, len(ANSWER))))

    def finish(self, request: Generate, since: int | None = None) -> None:
        """Say all the rest, and end."""
        self.say(request, len(ANSWER), since)
        self.end(request)

    def drop(self) -> None:
        """Die as an engine: end the connection; a new one takes its place."""
        assert self._connection is not None
        self._connected.clear()
        self._connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def scripted_engine(folder: Path, slots: int = 4) -> Iterator[ScriptedEngine]:
    """A scripted engine for the length of a block."""
    path = folder / "scripted.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(1)
        engine = ScriptedEngine(path, slots)
        thread = threading.Thread(target=engine.serve, args=(listener,), daemon=True)
        thread.start()
        try:
            yield engine
        finally:
            listener.shutdown(socket.SHUT_RDWR)
