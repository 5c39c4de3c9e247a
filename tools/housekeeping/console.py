"""What set-up shows a person: lines on stderr, and one line that is updated in place.

stdout stays free, so that `make ask` can be piped.
"""

import shutil
import sys
import time
from typing import TextIO

PLAIN_INTERVAL_SECONDS = 10.0
"""How often a log that is no terminal gets a line of progress."""

TERMINAL_INTERVAL_SECONDS = 0.1


def say(text: str, stream: TextIO | None = None) -> None:
    """Writes one line, at once."""
    out = stream or sys.stderr
    out.write(text + "\n")
    out.flush()


def duration(seconds: float) -> str:
    """The duration as a person would say it: `48 s`, `6 min 05 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class StepProgress:
    """One long step: a line updated in place on a terminal, occasional lines in a log.

    `done` and `total` may jump; the time left is extrapolated from this step alone.
    """

    def __init__(self, title: str, stream: TextIO | None = None) -> None:
        self._title = title
        self._out = stream or sys.stderr
        self._terminal = self._out.isatty()
        self._began = time.monotonic()
        self._shown = self._began
        self._width = 0
        self._write(f"{title} …")

    def update(self, done: int, total: int, detail: str = "") -> None:
        """Shows `done` of `total`, unless a line has just been shown."""
        now = time.monotonic()
        interval = TERMINAL_INTERVAL_SECONDS if self._terminal else PLAIN_INTERVAL_SECONDS
        if now - self._shown < interval:
            return
        self._shown = now
        self._write(self._line(done, total, now - self._began, detail))

    def finish(self, text: str = "done") -> None:
        """Closes the step with its duration."""
        seconds = time.monotonic() - self._began
        self._write(f"{self._title}: {text} in {duration(seconds)}")
        if self._terminal:
            say("", self._out)

    def abandon(self) -> None:
        """Leaves the line as it is, so that an error starts on its own line."""
        if self._terminal and self._width:
            say("", self._out)

    def _line(self, done: int, total: int, seconds: float, detail: str) -> str:
        parts = [self._title + ":"]
        if total:
            parts.append(f"{100 * done // total:3d} % ({done} of {total})")
        parts.append(f"{duration(seconds)} so far")
        if total and 0 < done < total:
            parts.append(f"about {duration(seconds * (total - done) / done)} left")
        if detail:
            parts.append(detail)
        return ", ".join(parts).replace(":,", ":", 1)

    def _write(self, line: str) -> None:
        if not self._terminal:
            say(line, self._out)
            return
        line = line[: shutil.get_terminal_size().columns - 1]  # a wrapped line cannot be updated
        self._out.write("\r" + line.ljust(self._width))
        self._out.flush()
        self._width = len(line)
