"""Log records as entries of systemd's journal, each with fields to search by.

systemd-python's own handler would also send a record's arguments and wait for a journal that has
stopped reading. Its `send` keeps Python's lock while it waits, so that would halt every thread:
here a line that the journal does not take at once is counted, and lost.
"""

import logging
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from aistratus_daemon import libsystemd

SOCKET: Final = Path("/run/systemd/journal/socket")
# CloudWatch makes metrics only of a line that is the JSON document itself (`worker.metrics`), and
# no field can hold one: a record with this member is sent as its JSON line, by a sender of its own.
METRICS_MEMBER: Final = "_aws"
METRICS: Final = "aistratus-metrics"

# What journald accepts from a service; a leading underscore is for what journald itself adds.
_FIELD: Final = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
# syslog(3)'s numbers.
_PRIORITIES: Final = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}


class Send(Protocol):
    """`systemd.journal.send`: sends an entry, or raises an `OSError`."""

    def __call__(self, MESSAGE: str, **fields: object) -> object:  # noqa: N803 - the journal's name
        """Send one entry."""


def connect(identifier: str, environment: Mapping[str, str] | None = None) -> Send | None:
    """What sends to the journal without waiting; None where stderr does not lead there.

    The check of stderr is systemd's own (`$JOURNAL_STREAM`, systemd.exec(5)). libsystemd says
    nothing when the journal's socket is missing, so that is checked too.
    """
    environment = os.environ if environment is None else environment
    stderr = os.fstat(sys.stderr.fileno())
    is_journal = environment.get("JOURNAL_STREAM") == f"{stderr.st_dev}:{stderr.st_ino}"
    if libsystemd.journal is None or not is_journal or not SOCKET.is_socket():
        return None
    send: Send = libsystemd.journal.send
    before = _sockets()
    # libsystemd opens its socket for the first entry, and keeps it.
    send("The log begins.", PRIORITY="6", SYSLOG_IDENTIFIER=identifier)
    opened = _sockets() - before
    if len(opened) != 1:
        return None
    os.set_blocking(opened.pop(), False)
    return send


def _sockets() -> set[int]:
    """The file descriptors of this process that are sockets."""
    return {int(path.name) for path in Path("/proc/self/fd").iterdir() if path.is_socket()}


class Journal(logging.Handler):
    """Sends each record at once; never waits.

    `identifier` is the entries' SYSLOG_IDENTIFIER; `lines` formats a record of metrics.
    """

    def __init__(self, identifier: str, send: Send, lines: logging.Formatter) -> None:
        super().__init__()
        # The text alone: level and logger are fields. Without one, `basicConfig` adds them to it.
        self.setFormatter(logging.Formatter())
        self._identifier = identifier
        self._send = send
        self._lines = lines
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record, and first say how many were lost before it."""
        try:
            if self._lost:
                self._tell_lost()
            self._send(**self._entry(record))
        except OSError:
            # Not to stderr either: that leads to the same journal, and would wait for it.
            self._lost += 1
        except Exception:  # noqa: BLE001 - as in logging's own handlers
            self.handleError(record)

    def _tell_lost(self) -> None:
        self._send(
            f"The journal did not take {self._lost} lines; they are lost.",
            PRIORITY="4",
            SYSLOG_IDENTIFIER=self._identifier,
        )
        self._lost = 0

    def _entry(self, record: logging.LogRecord) -> dict[str, str]:
        members = vars(record)
        is_metrics = METRICS_MEMBER in members
        fields = {name: str(item) for name, item in members.items() if _FIELD.fullmatch(name)}
        return {
            **fields,
            "MESSAGE": self._lines.format(record) if is_metrics else self.format(record),
            "PRIORITY": str(_PRIORITIES.get(record.levelno, 6)),
            "SYSLOG_IDENTIFIER": METRICS if is_metrics else self._identifier,
            "LOGGER": record.name,
            "CODE_FILE": record.pathname,
            "CODE_FUNC": record.funcName or "",
        }
