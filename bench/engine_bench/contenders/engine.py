"""The engine alone: its process, asked over its socket as the worker asks."""

import select
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from aistratus_contracts.job import Message, Sampling
from aistratus_contracts.states import Role
from aistratus_daemon.frames import (
    Done,
    Failed,
    Frame,
    Generate,
    Ready,
    Tokens,
    decode_frame,
    encode_frame,
)
from engine_bench.contenders.contender import Contender, Setup
from engine_bench.errors import BenchError
from engine_bench.processes import Process, Usage, process, python_module
from engine_bench.workload import Job, Outcome

SLOTS: Final = 16
# If no frame comes for this long, the engine counts as hung.
PATIENCE_SECONDS: Final = 300.0
_RECEIVE_BYTES: Final = 1 << 16


@dataclass
class _Answer:
    """What has come so far for one job."""

    asked: float
    first: float | None = None
    tokens: int = 0
    text: str = ""


@dataclass
class EngineSession:
    """A worker's end of the socket."""

    process: Process
    connection: socket.socket
    start_seconds: float = 0.0
    _buffer: bytes = b""
    _lines: list[bytes] = field(default_factory=list)

    def until_ready(self) -> None:
        """Wait for the `Ready` frame."""
        frame = self.receive(PATIENCE_SECONDS)
        if not isinstance(frame, Ready):
            raise self.process.failure(f"said {frame} and not that it is ready")
        self.start_seconds = time.monotonic() - self.process.began

    def ask(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Ask all at once, or each after its delay; the answers, in the order of the jobs."""
        waiting = sorted(jobs, key=lambda job: job.delay_seconds)
        answers: dict[str, _Answer] = {}
        ended: dict[str, Outcome] = {}
        began = time.monotonic()
        while len(ended) < len(jobs):
            while waiting and time.monotonic() - began >= waiting[0].delay_seconds:
                job = waiting.pop(0)
                answers[job.job_id] = _Answer(time.monotonic())
                self.send(_generate(job))
            pause = waiting[0].delay_seconds - (time.monotonic() - began) if waiting else None
            frame = self.receive(PATIENCE_SECONDS if pause is None else max(0.0, pause))
            if frame is None:
                if pause is None:
                    raise self.process.failure(f"said nothing for {PATIENCE_SECONDS:.0f} seconds")
                continue
            _note(frame, time.monotonic(), answers, ended)
        return [ended[job.job_id] for job in jobs]

    def send(self, frame: Frame) -> None:
        """Send one frame."""
        self.connection.sendall(encode_frame(frame))

    def usage(self) -> Usage:
        """What the engine's process has used so far."""
        return self.process.usage()

    def receive(self, timeout_seconds: float) -> Frame | None:
        """The next frame, or None if none comes in time."""
        deadline = time.monotonic() + timeout_seconds
        while not self._lines:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self.connection], [], [], left)[0]:
                return None
            received = self.connection.recv(_RECEIVE_BYTES)
            if not received:
                raise self.process.failure("closed the connection")
            *self._lines, self._buffer = (self._buffer + received).split(b"\n")
        return decode_frame(self._lines.pop(0))


def _generate(job: Job) -> Generate:
    messages = tuple(Message(Role(role), text) for role, text in job.turns)
    sampling = Sampling(max_tokens=job.max_tokens, temperature=0.0)
    return Generate(job.job_id, job.conversation, messages, sampling)


def _note(frame: Frame, now: float, answers: dict[str, _Answer], ended: dict[str, Outcome]) -> None:
    match frame:
        case Tokens(items):
            for item in items:
                answer = answers[item.job_id]
                answer.first = answer.first or now
                answer.tokens += len(item.token_ids)
                answer.text += item.text
        case Done():
            answer = answers[frame.job_id]
            ended[frame.job_id] = Outcome(
                answer.asked,
                answer.first,
                now,
                frame.usage.prompt_tokens,
                answer.tokens,
                answer.text,
            )
        case Failed():
            raise BenchError(f"The engine failed a job: {frame.message}")
        case _:
            pass  # notices and statistics


@contextmanager
def open_engine(setup: Setup, **variables: str) -> Iterator[EngineSession]:
    """An engine with `SLOTS` slots for the length of a block; further variables as given."""
    path = setup.folder / "engine.sock"
    path.unlink(missing_ok=True)
    environment = {
        "AISTRATUS_ENGINE_SOCKET": str(path),
        "AISTRATUS_MODEL_FILE": str(setup.model.path),
        "AISTRATUS_MODEL_SHA256": setup.model.sha256,
        "AISTRATUS_ENGINE_SLOTS": str(SLOTS),
        **variables,
    }
    arguments = python_module("aistratus_daemon.engine")
    log = setup.folder / "engine.log"
    with (
        process("The engine", arguments, log, environment=environment) as running,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection,
    ):
        running.until(lambda: connection.connect_ex(str(path)) == 0)
        session = EngineSession(running, connection)
        session.until_ready()
        yield session


ENGINE: Final = Contender("engine", open_engine)
