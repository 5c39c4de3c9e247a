"""What systemd hears from a `Type=notify` service; silent where there is no systemd.

The watchdog is fed from the loop that does the work: a loop that hangs is a service that hangs.
"""

import os
import time
from dataclasses import dataclass, field
from typing import Protocol


class Notifier(Protocol):
    """Where the state of the service goes."""

    def __call__(self, state: str) -> object:
        """Send one message of sd_notify(3)."""


def connect() -> Notifier:
    """The notifier of systemd when systemd started this process, else one that says nothing."""
    if "NOTIFY_SOCKET" not in os.environ:
        return lambda state: None
    # Only the image has systemd-python; a unit of Type=notify cannot work without it.
    from systemd.daemon import notify  # noqa: PLC0415

    notifier: Notifier = notify
    return notifier


@dataclass
class Watchdog:
    """Feeds systemd's watchdog, at most four times per interval."""

    notifier: Notifier
    interval_seconds: float = field(
        default_factory=lambda: int(os.environ.get("WATCHDOG_USEC", "0")) / 1_000_000
    )
    _fed_at: float = -float("inf")

    def feed(self) -> None:
        """Say that the loop has come round once more."""
        now = time.monotonic()
        if self.interval_seconds and now - self._fed_at >= self.interval_seconds / 4:
            self.notifier("WATCHDOG=1")
            self._fed_at = now
