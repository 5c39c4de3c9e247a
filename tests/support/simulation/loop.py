"""asyncio for a simulated process: the loop that its tasks run in, and its unix sockets."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from itertools import count
from typing import Any, Final, Protocol, TypeVarTuple

from botocore.exceptions import EndpointConnectionError

from support.simulation.world import Event, Process

_Ts = TypeVarTuple("_Ts")
LATE_TURNS: Final = 0.1
LATE_TURN_SECONDS: Final = 0.03
_MAX_FAREWELLS: Final = 100


class _Task(asyncio.Task[Any]):
    """A task whose place in a set does not depend on its address, so that runs are repeatable."""

    def __init__(self, number: int, *args: Any, **kwargs: Any) -> None:
        self._number = number
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self._number


class Listener(Protocol):
    """What can be connected to."""

    def connect(self, transport: "PipeTransport") -> None:
        """Take the connection, or raise an `OSError`."""


class SimulatedLoop(asyncio.AbstractEventLoop):
    """The part of a loop that the worker uses; all else raises `NotImplementedError`."""

    def __init__(self, process: Process, listeners: dict[str, Listener]) -> None:
        self.process = process
        self.listeners = listeners
        self._ready: deque[asyncio.Handle] = deque()
        # By the handle's id: handles compare by their time.
        self._timers: dict[int, Event] = {}
        self._is_awake = False
        self._is_over = False
        self._task_numbers = count()
        self._transports: list[PipeTransport] = []

    # --- callbacks and time ---

    def time(self) -> float:
        return self.process.world.now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_soon(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        self._wake()
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)

        def fire() -> None:
            del self._timers[id(handle)]
            self._ready.append(handle)
            self._wake()

        delay = max(0.0, when - self.time())
        self._timers[id(handle)] = self.process.world.after(delay, fire, self.process)
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        event = self._timers.pop(id(handle), None)
        if event is not None:
            event.is_off = True

    def _wake(self) -> None:
        if not self._is_awake and not self._is_over:
            self._is_awake = True
            world = self.process.world
            # Now and then a turn is late, so that it handles separate events together.
            is_late = world.random.random() < LATE_TURNS
            delay = world.random.uniform(0.0, LATE_TURN_SECONDS) if is_late else 0.0
            world.after(delay, self._run_ready, self.process)

    def _run_ready(self) -> None:
        """Run one turn of the loop: what is ready now, not what becomes ready meanwhile."""
        self._is_awake = False
        asyncio._set_running_loop(self)
        try:
            for _ in range(len(self._ready)):
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._run()
        finally:
            asyncio._set_running_loop(None)
        if self._ready:
            self._wake()

    # --- tasks, futures, threads ---

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Coroutine[Any, Any, Any],  # type: ignore[override]
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[Any]:
        return _Task(next(self._task_numbers), coro, loop=self, name=name, context=context)

    def run_in_executor(  # type: ignore[override]
        self,
        executor: object,  # noqa: ARG002 - there is one
        func: Callable[..., Any],
        *args: Any,
    ) -> asyncio.Future[Any]:
        future = self.create_future()
        if self._is_over:
            future.set_exception(EndpointConnectionError(endpoint_url="of a dead process"))
            return future

        def work() -> None:
            try:
                result = func(*args)
            except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets it
                if not future.done():
                    future.set_exception(error)
            else:
                if not future.done():
                    future.set_result(result)

        self.process.start_thread(work)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self._is_over:
            self.process.world.violated(
                f"{self.process.name}: {context.get('message')}: {context.get('exception')!r}"
            )

    # --- sockets ---

    async def create_unix_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.Protocol], path: object
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        listener = self.listeners.get(str(path))
        if listener is None or self._is_over:
            raise FileNotFoundError(2, "No such file or directory")
        protocol = protocol_factory()
        transport = PipeTransport(self, protocol)
        listener.connect(transport)
        protocol.connection_made(transport)
        self._transports.append(transport)
        return transport, protocol

    # --- the end ---

    def bury(self) -> None:
        """End what still runs in a killed process, without any effect outside.

        A coroutine discarded in the middle may not await in its `finally`; a cancelled one may.
        By then it reaches nobody outside.
        """
        self._is_over = True
        for transport in self._transports:
            transport.cut()
        for _ in range(_MAX_FAREWELLS):
            left = [task for task in asyncio.all_tasks(self) if not task.done()]
            if not left and not self._ready:
                break
            for task in left:
                task.cancel()
            self._run_ready()
        else:
            raise AssertionError("a task does not end when it is cancelled")
        for event in self._timers.values():
            event.is_off = True
        self._timers.clear()


class PipeTransport(asyncio.Transport):
    """The worker's end of a connection; `on_data` gets what the worker sends."""

    LATENCY_SECONDS = 0.0001

    def __init__(self, loop: SimulatedLoop, protocol: asyncio.BaseProtocol) -> None:
        super().__init__()
        self.loop = loop
        self.protocol = protocol
        self.on_data: Callable[[bytes], object] = lambda _: None
        self.on_close: Callable[[], object] = lambda: None
        self._is_closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._is_closing:
            sent = bytes(data)
            self.loop.process.world.after(self.LATENCY_SECONDS, lambda: self.on_data(sent))

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self.loop.process.world.after(self.LATENCY_SECONDS, self._tell_peer)
            self.loop.call_soon(self.protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ARG002
        return default

    def cut(self) -> None:
        """Close the end of a dead worker, as the kernel does."""
        if not self._is_closing:
            self._is_closing = True
            self.loop.process.world.after(self.LATENCY_SECONDS, self._tell_peer)

    def _tell_peer(self) -> None:
        self.on_close()

    # --- what the peer does ---

    def feed(self, data: bytes) -> None:
        """Bytes from the peer."""
        self._arrive(lambda: self._data(data))

    def hang_up(self, error: OSError | None) -> None:
        """The peer is gone: end of file, or a reset."""
        self._arrive(lambda: self._lost(error))

    def _arrive(self, action: Callable[[], None]) -> None:
        process = self.loop.process
        process.world.after(self.LATENCY_SECONDS, action, process)

    def _data(self, data: bytes) -> None:
        if not self._is_closing:
            assert isinstance(self.protocol, asyncio.Protocol)
            self.protocol.data_received(data)

    def _lost(self, error: OSError | None) -> None:
        if not self._is_closing:
            self._is_closing = True
            self.protocol.connection_lost(error)
