"""The log of both services: in the journal on the image, as JSON lines on stderr elsewhere.

A line about a job carries its id, its conversation and the attempt (`job_context`), so that the log
can be searched for one job. Prompts and answers are never logged.
"""

import json
import logging
import os
import sys
from datetime import UTC, datetime

from aistratus_contracts.codec import format_time
from aistratus_daemon.job_context import current_fields
from aistratus_daemon.journal import Journal, connect

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class JsonLines(logging.Formatter):
    """One JSON object per record."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line = {
            "time": format_time(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "service": record.name,
            "message": record.getMessage(),
        }
        line |= {name: item for name, item in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def with_job(record: logging.LogRecord) -> bool:
    """A filter that attaches the job at hand to a record, and lets every record pass."""
    vars(record).update(current_fields())
    return True


def start_logging(service: str) -> None:
    """Send every log record of this process to the journal, or to stderr where there is none.

    `service` is `worker` or `engine`: the journal names the sender `aistratus-SERVICE`.
    """
    identifier = f"aistratus-{service}"
    send = connect(identifier)
    handler = _to_stderr() if send is None else Journal(identifier, send, JsonLines())
    handler.addFilter(with_job)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("botocore").setLevel(logging.WARNING)


def _to_stderr() -> logging.Handler:
    # A copy of the file descriptor: what a library writes to the original can then be caught.
    handler = logging.StreamHandler(
        os.fdopen(os.dup(sys.stderr.fileno()), "w", buffering=1, encoding="utf-8")
    )
    handler.setFormatter(JsonLines())
    return handler
