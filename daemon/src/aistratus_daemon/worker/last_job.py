"""When a job last moved on, for the dead man's switch.

The switch (`roles/worker/files/deadman.py`) powers a machine off on which no job has moved on for
too long. It sees this file change, and nothing else of the worker: a worker that hangs, loops or
lives on without work leaves the file alone.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger("worker")


@dataclass
class LastJob:
    """A file that is touched after each append that is in the table; None: no such switch."""

    path: Path | None
    _is_told: bool = False

    def moved(self) -> None:
        """A job has just moved on. A failure is logged once, and stops no job."""
        if self.path is None:
            return
        try:
            self.path.touch()
        except OSError as error:
            if not self._is_told:
                self._is_told = True
                log.error(
                    "%s cannot be touched (%s), so the dead man's switch takes this machine for "
                    "idle; check the unit's RuntimeDirectory.",
                    self.path,
                    error.strerror,
                )
