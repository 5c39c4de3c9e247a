"""What a `Type=notify` service tells systemd; silent where nobody listens.

On the image systemd-python sends it. Elsewhere, as on a machine without libsystemd, this module
speaks sd_notify(3)'s protocol itself: a datagram of `NAME=value` lines to `$NOTIFY_SOCKET`. The
watchdog is fed from the loop that does the work: a loop that hangs is a service that hangs.
"""

import logging
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from aistratus_daemon import libsystemd
from aistratus_daemon.errors import SettingsError

log = logging.getLogger("notify")

READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"
FED: Final = "WATCHDOG=1"
_NOT_HEARD: Final = "The service manager did not hear %s: %s"


class Notifier(Protocol):
    """Where the state of the service goes."""

    def __call__(self, state: str, /) -> object:
        """Send one message of sd_notify(3)."""


def connect(environment: Mapping[str, str] | None = None) -> Notifier:
    """The notifier to this process's service manager, or one that says nothing.

    Raises a `SettingsError` for a NOTIFY_SOCKET that is no unix socket.
    """
    environment = os.environ if environment is None else environment
    address = environment.get("NOTIFY_SOCKET", "")
    if not address:
        return lambda state: None
    if address[0] not in "/@":
        raise SettingsError(
            f"NOTIFY_SOCKET is {address}, which is neither a path nor an abstract socket; "
            "let systemd set it, or leave it out."
        )
    if libsystemd.daemon is not None and environment is os.environ:
        return _tell
    # An abstract socket's name begins with a zero byte, which no variable can hold.
    return _Socket(f"\0{address[1:]}" if address[0] == "@" else address)


def _tell(state: str) -> None:
    """Have systemd-python send it; a failure is logged, as in `_Socket`."""
    try:
        libsystemd.daemon.notify(state)
    except OSError as error:
        log.warning(_NOT_HEARD, state, error)


@dataclass(frozen=True)
class _Socket:
    """The datagram socket of a service manager, where there is no systemd-python."""

    address: str

    def __call__(self, state: str) -> None:
        """Send it, or log that it could not be sent: a service does not wait for its manager."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifying:
                notifying.setblocking(False)
                notifying.sendto(state.encode(), self.address)
        except OSError as error:
            log.warning(_NOT_HEARD, state, error)


def extend_timeout(seconds: float) -> str:
    """The message that the start or stop under way may take that long from now on."""
    return f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}"


def watchdog_seconds(environment: Mapping[str, str] | None = None) -> float:
    """How often the watchdog must be fed; 0 if there is none, or it is another process's."""
    environment = os.environ if environment is None else environment
    if environment.get("WATCHDOG_PID", "") not in ("", str(os.getpid())):
        return 0.0
    return int(environment.get("WATCHDOG_USEC") or 0) / 1_000_000


@dataclass
class Watchdog:
    """Feeds the watchdog, at most four times per interval."""

    notifier: Notifier
    interval_seconds: float = field(default_factory=watchdog_seconds)
    _fed_at: float = -float("inf")

    def feed(self) -> None:
        """Say that the loop has come round once more."""
        now = time.monotonic()
        if self.interval_seconds and now - self._fed_at >= self.interval_seconds / 4:
            self.notifier(FED)
            self._fed_at = now
