"""Terminal output: steps with their durations, and the progress of long transfers."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TextIO

TTY_PERIOD_SECONDS: Final = 0.1
PLAIN_PERIOD_SECONDS: Final = 5.0
_CLEAR_LINE: Final = "\r\x1b[2K"


@dataclass
class Console:
    """Writes lines to `out`; a terminal also shows the step in progress."""

    out: TextIO = field(default_factory=lambda: sys.stderr)
    monotonic: Callable[[], float] = time.monotonic
    _shown: bool = field(default=False, init=False)

    @property
    def is_tty(self) -> bool:
        """Whether the output is a terminal."""
        return self.out.isatty()

    def say(self, line: str = "") -> None:
        """Write a line that stays."""
        self._write(f"{_CLEAR_LINE if self._shown else ''}{line}\n")
        self._shown = False

    def done(self, what: str, seconds: float) -> None:
        """Write a finished step and its duration."""
        mark = "✓" if _can_say(self.out, "✓") else "*"
        self.say(f"  {mark} {what:<44}{seconds:6.1f} s")

    def working(self, what: str) -> None:
        """Show the step in progress, on a terminal only; the next line replaces it."""
        if self.is_tty:
            mark = "…" if _can_say(self.out, "…") else "..."
            self._write(f"{_CLEAR_LINE}  {mark} {what}")
            self._shown = True

    def clear(self) -> None:
        """Erase the line of the step in progress."""
        if self._shown:
            self._write(_CLEAR_LINE)
            self._shown = False

    def _write(self, text: str) -> None:
        self.out.write(text)
        self.out.flush()


@dataclass
class TransferProgress:
    """A transfer's progress, with speed and time left; `begin` bytes were there before."""

    console: Console
    what: str
    total: int
    begin: int = 0
    _started: float = field(init=False)
    _shown_at: float = field(default=float("-inf"), init=False)

    def __post_init__(self) -> None:
        self._started = self.console.monotonic()

    def at(self, count: int) -> None:
        """Show that `count` bytes are there."""
        now = self.console.monotonic()
        period = TTY_PERIOD_SECONDS if self.console.is_tty else PLAIN_PERIOD_SECONDS
        if now - self._shown_at < period and count < self.total:
            return
        self._shown_at = now
        line = self._line(count, now - self._started)
        if self.console.is_tty:
            self.console.working(line)
        else:
            self.console.say(f"  {line}")

    def _line(self, count: int, seconds: float) -> str:
        part = count / self.total if self.total else 1.0
        text = f"{self.what}  {part:4.0%}  {megabytes(count)} of {megabytes(self.total)} MB"
        speed = (count - self.begin) / seconds if seconds > 0 else 0.0
        if speed > 0:
            text += f"  {speed / 1e6:.1f} MB/s  {_duration((self.total - count) / speed)} left"
        return text


def megabytes(count: int) -> str:
    """A number of bytes in megabytes, as text."""
    return f"{count / 1e6:.1f}" if count < 100e6 else f"{count / 1e6:.0f}"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


def _can_say(out: TextIO, text: str) -> bool:
    try:
        text.encode(out.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
