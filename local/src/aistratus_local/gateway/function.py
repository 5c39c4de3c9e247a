"""A function's execution environments, as Lambda keeps them.

Each handles one event at a time. New ones start on demand and stay warm; the most recently used
is taken first. One that crashes or exceeds its time is killed.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import struct
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aistratus_local.gateway.environment_process import LENGTH
from aistratus_local.gateway.turns import Turns

log = logging.getLogger("gateway")

MAX_ENVIRONMENTS: Final = 64
# One user's share of them, and how many more of that user's calls may wait.
ENVIRONMENTS_PER_USER: Final = MAX_ENVIRONMENTS // 2
WAITING_PER_USER: Final = 128
START_SECONDS: Final = 30.0
# Lambda's limit for the size of an answer.
MAX_RESULT_BYTES: Final = 6 * 1024 * 1024


class FunctionFailed(Exception):
    """The function raised, crashed or answered too much: 500."""


class FunctionTimedOut(Exception):
    """No answer within the integration's time, or no environment free: 503."""


@dataclass(eq=False, slots=True)
class _Environment:
    pid: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def end(self) -> None:
        self.writer.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


class Function:
    """`entry` is `module.function`; calls may overlap."""

    def __init__(
        self,
        name: str,
        entry: str,
        environment: Mapping[str, str],
        *,
        timeout_seconds: float = 30.0,
        max_environments: int = MAX_ENVIRONMENTS,
        environments_per_user: int = ENVIRONMENTS_PER_USER,
        waiting_per_user: int = WAITING_PER_USER,
    ) -> None:
        self.name = name
        self._entry = entry
        self._variables = {**environment, "AWS_LAMBDA_FUNCTION_NAME": name}
        self._timeout_seconds = timeout_seconds
        self._turns = Turns(max_environments, environments_per_user, waiting_per_user)
        self._idle: list[_Environment] = []
        self._all: set[_Environment] = set()
        self._control: socket.socket | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._starting = asyncio.Lock()

    async def start(self, warm: int = 0) -> None:
        """Load the function and start `warm` environments."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._control = ours
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "aistratus_local.gateway.environment_process",
            self._entry,
            stdin=theirs.fileno(),
            stdout=sys.stderr,
            env=self._variables,
        )
        theirs.close()
        try:
            async with asyncio.timeout(START_SECONDS):
                ready = await asyncio.get_running_loop().sock_recv(ours, 5)
        except TimeoutError:
            ready = b""
        if ready != b"ready":
            raise FunctionFailed(f"{self.name} could not be loaded; its log says why.")
        self._idle += [await self._new_environment() for _ in range(warm)]

    async def stop(self) -> None:
        """Kill every environment at once."""
        for environment in tuple(self._all):
            self._end(environment)
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def invoke(self, event: Mapping[str, Any], user: str = "") -> Any:
        """Wait for the user's turn, call the function and return its result.

        Raises `FunctionFailed`, `FunctionTimedOut` or `TooManyCalls`.
        """
        deadline = time.time() + self._timeout_seconds
        asked = {"event": event, "request_id": str(uuid.uuid4()), "deadline": deadline}
        frame = json.dumps(asked).encode()
        try:
            async with asyncio.timeout(self._timeout_seconds), self._turns.place(user):
                return await self._call(LENGTH.pack(len(frame)) + frame)
        except TimeoutError:
            raise FunctionTimedOut(f"{self.name} did not answer in time.") from None

    async def _call(self, frame: bytes) -> Any:
        environment = self._idle.pop() if self._idle else await self._new_environment()
        is_good = False
        try:
            environment.writer.write(frame)
            await environment.writer.drain()
            head = await environment.reader.readexactly(LENGTH.size)
            (length,) = LENGTH.unpack(head)
            answer = json.loads(await environment.reader.readexactly(length))
            is_good = True
        except (OSError, asyncio.IncompleteReadError, struct.error):
            raise FunctionFailed(f"{self.name} crashed.") from None
        finally:
            # Also when this call is cancelled: its late answer must not go to another call.
            if is_good:
                self._idle.append(environment)
            else:
                self._end(environment)
        if "error" in answer:
            raise FunctionFailed(f"{self.name} raised {answer['error']}.")
        if length > MAX_RESULT_BYTES:
            raise FunctionFailed(f"{self.name} answered more than Lambda hands over.")
        return answer["result"]

    async def _new_environment(self) -> _Environment:
        assert self._control is not None, "start() comes first"  # noqa: S101
        ours, theirs = socket.socketpair()
        async with self._starting:
            try:
                socket.send_fds(self._control, [b"+"], [theirs.fileno()])
                theirs.close()
                answer = await asyncio.get_running_loop().sock_recv(self._control, 8)
                (pid,) = struct.unpack(">Q", answer)
            except (OSError, struct.error):
                ours.close()
                raise FunctionFailed(f"{self.name} is gone.") from None
        reader, writer = await asyncio.open_connection(sock=ours)
        environment = _Environment(pid, reader, writer)
        self._all.add(environment)
        return environment

    def _end(self, environment: _Environment) -> None:
        self._all.discard(environment)
        environment.end()
