"""Identifies a process reliably: its id alone may be reused by another."""

import os
import select
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_STATE, _STARTED = 2, 21  # indices in /proc/PID/stat, proc(5), from 0


@dataclass(frozen=True)
class Process:
    """A process id and that process's start time, in clock ticks since boot."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> "Process | None":
        """The process that has this id now; None if there is none."""
        fields = _stat(pid)
        return None if fields is None else cls(pid, int(fields[_STARTED]))

    def runs(self) -> bool:
        """Whether it still runs; a zombie does not count."""
        fields = _stat(self.pid)
        return (
            fields is not None
            and int(fields[_STARTED]) == self.started
            and fields[_STATE] not in ("Z", "X")
        )

    def end(self, number: signal.Signals, seconds: float) -> bool:
        """Send a signal; returns whether the process ended within that many seconds."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            if not self.runs():  # checked after the handle has fixed the process
                return True
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, number)
            return bool(select.select([handle], [], [], seconds)[0])
        finally:
            os.close(handle)


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in brackets, may itself contain blanks and brackets.
    before, _, after = text.rpartition(")")
    return [before.split(" ", 1)[0], before, *after.split()]
