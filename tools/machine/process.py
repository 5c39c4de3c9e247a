"""A process that is known again later: its id alone may by then be another's."""

import os
import select
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_STATE, _STARTED = 2, 21  # places in /proc/PID/stat, proc(5), counted from 0


@dataclass(frozen=True)
class Process:
    """A process id, and the clock ticks since boot at which that process began."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> "Process | None":
        """The process that has this id now."""
        fields = _stat(pid)
        return None if fields is None else cls(pid, int(fields[_STARTED]))

    def runs(self) -> bool:
        """Whether it is still there, and is not merely waiting for its parent to look."""
        fields = _stat(self.pid)
        return (
            fields is not None
            and int(fields[_STARTED]) == self.started
            and fields[_STATE] not in ("Z", "X")
        )

    def end(self, number: signal.Signals, seconds: float) -> bool:
        """Send a signal; whether it had ended that many seconds later."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            if not self.runs():  # asked while the handle holds the id
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
    # The name, in brackets, may hold blanks and brackets of its own.
    before, _, after = text.rpartition(")")
    return [before.split(" ", 1)[0], before, *after.split()]
