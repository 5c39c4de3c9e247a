"""Handles a service's notifications as systemd would, for the parts of the local system.

NOTIFY_SOCKET tells a service where to send them and WATCHDOG_USEC how often; they are those of
sd_notify(3). Silence counts from the first READY=1 or WATCHDOG=1; the start has its own limit
elsewhere.
"""

import asyncio
import socket
import tempfile
from pathlib import Path
from typing import Final

_MAX_MESSAGE_BYTES: Final = 4096


class Watchdog:
    """Listens to one service at a time and detects when it has been silent for too long.

    `stop_seconds` is how long it may take to exit after STOPPING=1, unless it asks for more.
    Use it in a running event loop, and `close` it.
    """

    def __init__(self, seconds: float, stop_seconds: float) -> None:
        self.seconds = seconds
        self.stop_seconds = stop_seconds
        # A folder private to this user, so that nobody else can send notifications.
        self._folder = tempfile.TemporaryDirectory(prefix="aistratus-")
        self._path = Path(self._folder.name) / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self._path))
        self._socket.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._hear)
        self._timer: asyncio.TimerHandle | None = None
        self._is_starved = asyncio.Event()
        self._is_stopping = False

    @property
    def environment(self) -> dict[str, str]:
        """The variables that tell the service about the watchdog."""
        return {
            "NOTIFY_SOCKET": str(self._path),
            "WATCHDOG_USEC": str(int(self.seconds * 1_000_000)),
        }

    def reset(self) -> None:
        """Discard the last process's notifications before the service is restarted."""
        while self._next_message() is not None:
            pass
        self._cancel()
        self._is_starved.clear()
        self._is_stopping = False

    async def starved(self) -> None:
        """Return when the service has been silent for too long."""
        await self._is_starved.wait()

    def close(self) -> None:
        """Stop listening and remove the socket."""
        self._cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self._folder.cleanup()

    def _hear(self) -> None:
        while (message := self._next_message()) is not None:
            for line in message.splitlines():
                self._take(*line.partition("=")[::2])

    def _next_message(self) -> str | None:
        try:
            return self._socket.recv(_MAX_MESSAGE_BYTES).decode(errors="replace")
        except BlockingIOError:
            return None

    def _take(self, name: str, value: str) -> None:
        match name:
            case "READY" | "WATCHDOG" if not self._is_stopping:
                self._wait_until(self._loop.time() + self.seconds)
            case "STOPPING":
                self._is_stopping = True
                self._wait_until(self._loop.time() + self.stop_seconds)
            case "EXTEND_TIMEOUT_USEC" if self._timer is not None and value.isdigit():
                wanted = self._loop.time() + int(value) / 1_000_000
                self._wait_until(max(self._timer.when(), wanted))

    def _wait_until(self, deadline: float) -> None:
        self._cancel()
        self._timer = self._loop.call_at(deadline, self._is_starved.set)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
