"""A proxy in front of the emulator or the router that fails as networks and clouds do.

It understands just enough HTTP/1.1 to know what was asked and answered. So it can lose the answer
to a request that was done, which is what fencing is about, and tell an observer about it.
"""

import asyncio
import random
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET
from time import monotonic
from typing import Final

from support.http_frames import HttpMessage, answer_of, read_message

DYNAMODB: Final = "DynamoDB_20120810."
# A socket closed with this option sends a reset.
_RESET: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Exchange:
    """A request that was done, and its answer, whether or not anybody got it.

    `label` is the proxy's label at the time of the connection.
    """

    label: str
    began: float
    at: float
    request: HttpMessage
    answer: HttpMessage

    @property
    def action(self) -> str:
        """What was asked of AWS: `TransactWriteItems`."""
        return action_of(self.request)


def action_of(request: HttpMessage) -> str:
    """What is asked of AWS: `TransactWriteItems`."""
    return request.header("x-amz-target").rpartition(".")[2]


@dataclass
class Weather:
    """What goes wrong at the moment. Shares are of requests, from 0 to 1.

    `is_cut`: packets are lost in both directions. With `action`, only calls of that AWS action go
    wrong.
    """

    latency_seconds: float = 0.0
    resets: float = 0.0
    throttled: float = 0.0
    broken: float = 0.0
    is_cut: bool = False
    action: str = ""

    def over(self, request: HttpMessage) -> "Weather":
        """What goes wrong with this request."""
        is_meant = not self.action or action_of(request) == self.action
        return self if is_meant else Weather()

    @property
    def is_fair(self) -> bool:
        return self == Weather()


@dataclass
class FaultProxy:
    """One listening port before one upstream. `observe` is called with all that was done."""

    upstream_host: str
    upstream_port: int
    chance: random.Random
    observe: Callable[[Exchange], None] = lambda _: None
    label: str = ""
    port: int = 0
    resets: int = 0
    _weather: Weather = field(default_factory=Weather)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def weather(self) -> Weather:
        return self._weather

    @weather.setter
    def weather(self, weather: Weather) -> None:
        self._weather = weather
        self._changed.set()
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["FaultProxy"]:
        """Listening, for the length of a block."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**20)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.weather = Weather()
            for writer in list(self._open):
                writer.transport.abort()
            await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        label = self.label
        upstream: asyncio.StreamWriter | None = None
        try:
            connection = await asyncio.open_connection(
                self.upstream_host, self.upstream_port, limit=2**24
            )
            upstream = connection[1]
            while (request := await read_message(reader)) is not None:
                if not await self._exchange(label, request, writer, connection):
                    break
        except (ConnectionError, asyncio.CancelledError):
            # Either side has gone, or the rig ends. The other side is closed below.
            return
        finally:
            self._open.discard(writer)
            for end in (writer, upstream):
                if end is not None:
                    end.close()

    async def _exchange(
        self,
        label: str,
        request: HttpMessage,
        writer: asyncio.StreamWriter,
        upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> bool:
        """Pass on a request and its answer, as the weather allows; False ends the connection."""
        if self._weather.latency_seconds:
            await asyncio.sleep(self._weather.latency_seconds * self.chance.uniform(0.5, 1.0))
        if await self._is_lost(writer):
            return False
        weather = self._weather.over(request)
        is_reset, is_throttled, is_broken = (
            self.chance.random() < share
            for share in (weather.resets, weather.throttled, weather.broken)
        )
        # A request may break before or after it was done; a throttled one is never done.
        is_undone = self.chance.random() < 0.5
        if is_reset and is_undone:
            return self._reset(writer)
        if is_throttled or (is_broken and is_undone):
            writer.write(_throttled(request) if is_throttled else _BROKEN)
            await writer.drain()
            return True
        answer = await self._ask(label, request, upstream)
        if answer is None or await self._is_lost(writer):
            return False
        if is_reset:
            # Part of it gets through.
            writer.write(answer.raw[: self.chance.randrange(len(answer.raw))])
            return self._reset(writer)
        writer.write(_BROKEN if is_broken else answer.raw)
        await writer.drain()
        return True

    async def _ask(
        self,
        label: str,
        request: HttpMessage,
        upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> HttpMessage | None:
        began = monotonic()
        upstream[1].write(request.raw)
        answer = await read_message(upstream[0])
        if answer is not None:
            self.observe(Exchange(label, began, monotonic(), request, answer))
        return answer

    async def _is_lost(self, writer: asyncio.StreamWriter) -> bool:
        """Whether there is a cut; if so, returns once it is over, and resets the connection."""
        is_lost = False
        while self._weather.is_cut:
            is_lost = True
            await self._changed.wait()
        if is_lost:
            self._reset(writer)
        return is_lost

    def _reset(self, writer: asyncio.StreamWriter) -> bool:
        self.resets += 1
        with suppress(OSError):
            writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, _RESET)
        writer.transport.abort()
        return False


def _error(status: str, kind: str, code: str) -> bytes:
    return answer_of(
        status,
        {"__type": kind, "message": "The rig made this up.", "Message": "The rig made this up."},
        Content_Type="application/x-amz-json-1.0",
        x_amzn_query_error=f"{code};Sender",
    )


def _throttled(request: HttpMessage) -> bytes:
    """AWS's answer to too many requests."""
    if request.header("x-amz-target").startswith(DYNAMODB):
        code = "ProvisionedThroughputExceededException"
        return _error("400 Bad Request", f"com.amazonaws.dynamodb.v20120810#{code}", code)
    return _error("403 Forbidden", "com.amazonaws.sqs#RequestThrottled", "RequestThrottled")


_BROKEN: Final = _error("500 Internal Server Error", "InternalServerError", "InternalServerError")
