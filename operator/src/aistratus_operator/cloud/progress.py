"""Shows the progress of a long Terraform run: what is being made, and how long each step took."""

import re
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO

_DONE: Final = re.compile(
    r"^(\S.*?): (Creation|Modifications|Destruction) complete after ([0-9hms]+)"
)
_STILL: Final = re.compile(r"^(\S.*?): Still \w+\.\.\. \[.*?([0-9hms]+) elapsed\]")
# Imports are already counted as changes.
_PLAN: Final = re.compile(
    r"^Plan: (?:\d+ to import, )?(\d+) to add, (\d+) to change, (\d+) to destroy"
)
_SIGNS: Final = {"Creation": "+", "Modifications": "~", "Destruction": "-"}
# After this much silence, a slow resource gets a line.
_STILL_SECONDS: Final = 30.0


def tell(out: TextIO, line: str) -> None:
    """Write one line; a closed pipe or terminal is ignored: the run finishes without a reader."""
    with suppress(OSError):
        out.write(f"{line}\n")
        out.flush()


class Progress:
    """A watcher for `Terraform.run`: condenses its output and keeps all of it in a log."""

    def __init__(self, log: Path, out: TextIO) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log: Final = log
        self._out = out
        self._began = time.monotonic()
        self._said_last = self._began
        self._total = 0
        self._done = 0

    def __enter__(self) -> Self:
        self._file = self.log.open("w", encoding="utf-8")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def __call__(self, line: str) -> None:
        """Handle one line of Terraform's output."""
        self._file.write(f"{line}\n")
        if match := _PLAN.match(line):
            self._total = sum(map(int, match.groups()))
            if self._total:
                self.say(line)
        elif match := _DONE.match(line):
            self._done += 1
            place = f"{self._done}/{self._total} " if self._total else ""
            name, what, took = match.groups()
            self.say(f"  {place}{_SIGNS[what]} {name} ({took})")
        elif (match := _STILL.match(line)) and self._is_silent():
            self.say(f"  … {match[1]} ({match[2]} so far)")

    def say(self, line: str) -> None:
        """Write one line for the person."""
        self._said_last = time.monotonic()
        tell(self._out, line)

    @property
    def took(self) -> str:
        """The time since the start, as a person would say it."""
        minutes, seconds = divmod(round(time.monotonic() - self._began), 60)
        return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"

    def _is_silent(self) -> bool:
        return time.monotonic() - self._said_last >= _STILL_SECONDS
