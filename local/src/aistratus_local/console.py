"""What a person at the terminal sees: steps with their time, and progress of what takes long."""

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
    """Lines on `out`; a terminal also gets the line that is being worked on."""

    out: TextIO = field(default_factory=lambda: sys.stderr)
    monotonic: Callable[[], float] = time.monotonic
    _shown: bool = field(default=False, init=False)

    @property
    def is_tty(self) -> bool:
        """Whether somebody watches."""
        return self.out.isatty()

    def say(self, line: str = "") -> None:
        """A line that stays."""
        self._write(f"{_CLEAR_LINE if self._shown else ''}{line}\n")
        self._shown = False

    def done(self, what: str, seconds: float) -> None:
        """A step that is behind us."""
        mark = "✓" if _can_say(self.out, "✓") else "*"
        self.say(f"  {mark} {what:<44}{seconds:6.1f} s")

    def working(self, what: str) -> None:
        """What is being done; on a terminal only, where the next line replaces it."""
        if self.is_tty:
            mark = "…" if _can_say(self.out, "…") else "..."
            self._write(f"{_CLEAR_LINE}  {mark} {what}")
            self._shown = True

    def clear(self) -> None:
        """Take the line that was being worked on away."""
        if self._shown:
            self._write(_CLEAR_LINE)
            self._shown = False

    def _write(self, text: str) -> None:
        self.out.write(text)
        self.out.flush()


@dataclass
class Progress:
    """How far a transfer of `total` bytes is, with speed and what is left; `begin` was there."""

    console: Console
    what: str
    total: int
    begin: int = 0
    _started: float = field(init=False)
    _shown_at: float = field(default=float("-inf"), init=False)

    def __post_init__(self) -> None:
        self._started = self.console.monotonic()

    def at(self, count: int) -> None:
        """`count` bytes are there."""
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
    """Bytes as megabytes."""
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
