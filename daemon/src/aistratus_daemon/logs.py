"""Logs as JSON lines on stderr, which journald or a log file keeps.

Extra fields (`JOB`, `CONVERSATION`, …) go beside the text, so that the log can be searched for one
job. Prompts and answers are never logged.
"""

import json
import logging
import os
import sys
from datetime import UTC, datetime

from aistratus_contracts.codec import format_time

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


def start_logging() -> None:
    """Send every log record of this process to stderr."""
    # A copy of the file descriptor: what a library writes to the original can then be caught.
    handler = logging.StreamHandler(
        os.fdopen(os.dup(sys.stderr.fileno()), "w", buffering=1, encoding="utf-8")
    )
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("botocore").setLevel(logging.WARNING)
