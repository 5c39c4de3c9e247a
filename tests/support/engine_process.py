"""A real engine in a process of its own, and a worker's end of its socket."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aistratus_contracts.event import Notice
from aistratus_contracts.job import Message, Sampling
from aistratus_contracts.states import Role
from aistratus_daemon.frames import (
    Done,
    Failed,
    Frame,
    Generate,
    JobNotice,
    Ready,
    Stats,
    Tokens,
    decode_frame,
    encode_frame,
)

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "local" / "src" / "aistratus_local" / "weights" / "aistratus-standin.gguf"
PATIENCE_SECONDS = 60.0


def user(text: str) -> tuple[Message, ...]:
    """A conversation of one message."""
    return (Message(Role.USER, text),)


def greedy(max_tokens: int = 400, *, stop: tuple[str, ...] = ()) -> Sampling:
    """Sampling that always takes the likeliest token."""
    return Sampling(max_tokens=max_tokens, temperature=0.0, stop=stop)


@dataclass
class Heard:
    """All that the engine said about one job."""

    ids: list[int] = field(default_factory=list)
    text: str = ""
    notice: Notice | None = None
    end: Done | Failed | None = None

    @property
    def done(self) -> Done:
        assert isinstance(self.end, Done), self.end
        return self.end

    @property
    def failed(self) -> Failed:
        assert isinstance(self.end, Failed), self.end
        return self.end


@dataclass
class EngineLink:
    """One connection, as the worker has it."""

    connection: socket.socket
    ready: Ready = field(init=False)
    heard: dict[str, Heard] = field(default_factory=dict)
    stats: list[Stats] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.connection.settimeout(PATIENCE_SECONDS)
        self._lines = self.connection.makefile("rb")
        first = self.receive()
        assert isinstance(first, Ready)
        self.ready = first

    def send(self, frame: Frame) -> None:
        self.connection.sendall(encode_frame(frame))

    def receive(self) -> Frame:
        line = self._lines.readline()
        assert line, "the engine closed the connection"
        return decode_frame(line)

    def take(self) -> Frame:
        """Receive one frame and note what it says."""
        frame = self.receive()
        match frame:
            case Tokens(items):
                for item in items:
                    heard = self.of(item.job_id)
                    assert heard.end is None, "tokens after the end"
                    heard.ids += item.token_ids
                    heard.text += item.text
            case JobNotice(job_id, notice):
                self.of(job_id).notice = notice
            case Done() | Failed():
                assert self.of(frame.job_id).end is None, "two ends"
                self.of(frame.job_id).end = frame
            case Stats():
                self.stats.append(frame)
            case _:
                raise AssertionError(frame)
        return frame

    def of(self, job_id: str) -> Heard:
        return self.heard.setdefault(job_id, Heard())

    def until_end(self, *job_ids: str) -> None:
        while any(self.of(job_id).end is None for job_id in job_ids):
            self.take()

    def until_text(self, job_id: str) -> None:
        while not self.of(job_id).text:
            self.take()

    def ask(self, request: Generate) -> Heard:
        self.heard.pop(request.job_id, None)
        self.send(request)
        self.until_end(request.job_id)
        return self.of(request.job_id)

    def close(self) -> None:
        self._lines.close()
        self.connection.close()


@contextmanager
def linked(socket_path: Path, check: Callable[[], None] = lambda: None) -> Iterator[EngineLink]:
    """A connection, as soon as an engine listens; `check` may raise to give up."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(socket_path))
            break
        except OSError:
            connection.close()
            check()
            assert time.monotonic() < deadline, "the engine did not come up"
            time.sleep(0.02)
    link = EngineLink(connection)
    try:
        yield link
    finally:
        link.close()


@dataclass
class EngineProcess:
    """A running engine."""

    process: subprocess.Popen[str]
    socket_path: Path

    @contextmanager
    def link(self) -> Iterator[EngineLink]:
        def check() -> None:
            assert self.process.poll() is None, self.process.communicate()[1]

        with linked(self.socket_path, check) as link:
            yield link

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)


def engine_environment(folder: Path, **more: str) -> Mapping[str, str]:
    """What a unit file would set."""
    return {
        **os.environ,
        "AISTRATUS_ENGINE_SOCKET": str(folder / "engine.sock"),
        "AISTRATUS_MODEL_FILE": str(MODEL),
        "AISTRATUS_MODEL_SHA256": hashlib.sha256(MODEL.read_bytes()).hexdigest(),
        "AISTRATUS_ENGINE_SLOTS": "4",
        **more,
    }


def refusal(environment: Mapping[str, str]) -> tuple[int, str]:
    """The exit code and the last message of an engine that cannot start."""
    ended = subprocess.run(
        [sys.executable, "-m", "aistratus_daemon.engine"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, json.loads(ended.stderr.splitlines()[-1])["message"]


@contextmanager
def running_engine(folder: Path, **more: str) -> Iterator[EngineProcess]:
    """An engine for the length of a block; always ended, its log in `engine.log`."""
    environment = engine_environment(folder, **more)
    with (folder / "engine.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "aistratus_daemon.engine"],
            env=environment,
            stderr=log,
            text=True,
        )
        try:
            yield EngineProcess(process, folder / "engine.sock")
        finally:
            process.kill()
            process.wait()
