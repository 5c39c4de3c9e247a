"""The operator's command `make redrive`: lists the dead-letter queue and puts messages back.

It finds AWS through the environment: credentials and region as for any AWS program, and
AISTRATUS_REGISTRY. It reads jobs, sends messages and deletes letters; it never changes a job.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from aistratus_router.errors import Misconfigured, RouterError
from aistratus_router.ports import Ports
from aistratus_router.redrive_request import Request, WrongRequest, read_request
from aistratus_router.steward.redelivery import Fate, Finding, Redelivery
from aistratus_router.store.dead_letters import DeadLetters
from aistratus_router.store.job_queue import JobQueue
from aistratus_router.store.jobs import JobStore
from aistratus_router.store.open_jobs import OpenJobs
from aistratus_router.store.table import Table, code_of

# A longer list helps nobody; the number of letters left out is printed.
MAX_LETTERS: Final = 1000

PUT_BACK: Final = "put back"
DELETED: Final = "deleted"
MOVED_BY_SQS: Final = "received too often"
CHECK_ACCESS: Final = (
    "Check your credentials (aws sts get-caller-identity), the region and the environment."
)
_COLUMNS: Final = ("JOB", "CONVERSATION", "STATE", "AGE", "RECEIVED", "REASON", "DONE")
_STAYS: Final = {
    Fate.POISON: "stays: it ended as poison, and what has ended is not begun again",
    Fate.ENDED: "stays: its job has ended",
    Fate.GONE: "stays: its job was deleted",
    Fate.UNREADABLE: "stays: nobody can read it",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A letter, and what was done with it; "" means nothing."""

    found: Finding
    done: str

    @property
    def is_out(self) -> bool:
        """Whether the letter has left the queue."""
        return self.done in (PUT_BACK, DELETED)

    @property
    def is_refused(self) -> bool:
        """Whether something was asked for that could not be done."""
        return bool(self.done) and not self.is_out

    def plain(self, now: datetime) -> dict[str, Any]:
        """The row for the JSON output."""
        letter, record = self.found.letter, self.found.record
        return {
            "job_id": letter.job_id,
            "conversation_id": None if record is None else record.job.conversation_id,
            "state": self.found.state,
            "fate": self.found.fate.value,
            "age_seconds": max(0, int((now - letter.sent_at).total_seconds())),
            "received": letter.received,
            "reason": letter.reason or MOVED_BY_SQS,
            "message_id": letter.message_id,
            "done": self.done,
        }

    def cells(self, now: datetime) -> tuple[str, ...]:
        """The row for the table."""
        row = self.plain(now)
        return (
            row["job_id"] or "-",
            row["conversation_id"] or "-",
            row["state"],
            _words_of(row["age_seconds"]),
            str(row["received"]),
            " ".join(row["reason"].split()),
            row["done"],
        )


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run the command; 0 if all was done, 1 if not, 2 if the arguments make no sense."""
    try:
        request = read_request(arguments)
    except WrongRequest as error:
        _say(str(error))
        return 2
    return run(request, os.environ if environ is None else environ)


def run(request: Request, environ: Mapping[str, str]) -> int:
    """Serve a request in the deployment that `environ` names; print any error, and return 1."""
    try:
        return redrive(request, Ports.from_environment(environ))
    except Misconfigured as error:
        _say(str(error))
    except RouterError as error:
        _say(f"{error} {CHECK_ACCESS}")
    except ClientError as error:
        _say(f"AWS refused ({code_of(error)}). {CHECK_ACCESS}")
    except BotoCoreError as error:
        _say(f"AWS cannot be reached ({type(error).__name__}). {CHECK_ACCESS}")
    return 1


def redrive(request: Request, ports: Ports) -> int:
    """Serve a request and show the result; 0 if all of it was done, else 1."""
    addresses = ports.registry.read()
    letters = DeadLetters(ports.sqs, addresses.dead_letter_queue_url)
    table = Table(ports.dynamodb, addresses.table_name)
    jobs, queue = JobStore(table), JobQueue(ports.sqs, addresses.queue_url)
    redelivery = Redelivery(jobs, OpenJobs(table, queue), queue, letters)
    seen: dict[str, Row] = {}
    while True:
        with letters.held(MAX_LETTERS) as held:
            round_ = [_handle(redelivery, redelivery.examine(letter), request) for letter in held]
            not_shown = letters.total() - sum(not row.is_out for row in round_)
        seen |= {row.found.letter.message_id: row for row in round_}
        # Letters that left the queue made room for those behind them.
        if not_shown <= 0 or not any(row.is_out for row in round_):
            break
    rows = list(seen.values())
    _show(request, rows, ports.clock())
    if not_shown > 0:
        _say(
            f"{not_shown} more are held by somebody just now, or come behind those shown. Run it "
            "again in a minute."
        )
    return _closing_words(request, rows)


def _handle(redelivery: Redelivery, found: Finding, request: Request) -> Row:
    """Put a letter back, delete it or leave it, as requested."""
    if not (request.is_all or found.letter.job_id in request.job_ids):
        return Row(found, "")
    if found.can_go_back:
        redelivery.put_back(found)
        return Row(found, PUT_BACK)
    if request.is_delete:
        redelivery.letters.delete(found.letter)
        return Row(found, DELETED)
    return Row(found, _STAYS[found.fate])


def _show(request: Request, rows: Sequence[Row], now: datetime) -> None:
    if request.as_json:
        sys.stdout.write(json.dumps([row.plain(now) for row in rows], indent=1) + "\n")
    elif rows:
        lines = [_COLUMNS, *(row.cells(now) for row in rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(_COLUMNS))]
        for line in lines:
            padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            sys.stdout.write("  ".join(padded).rstrip() + "\n")
    else:
        sys.stdout.write("The dead-letter queue is empty.\n")


def _closing_words(request: Request, rows: Sequence[Row]) -> int:
    """Say what the operator may want to do next, and return the exit code."""
    missing = sorted(request.job_ids - {row.found.letter.job_id for row in rows})
    for job_id in missing:
        _say(f"{job_id} is not in the dead-letter queue. Without --job, all letters are listed.")
    stays = [row for row in rows if row.is_refused]
    if stays:
        _say("What stays cannot be put back. Add --delete to remove it from the list.")
    if rows and not (request.is_all or request.job_ids):
        _say("Put them back with --job ID, or --all.")
    return 1 if missing or stays else 0


def _say(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")


def _words_of(seconds: int) -> str:
    """An age in its largest whole unit: 40s, 12m, 5h, 3d."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


if __name__ == "__main__":
    sys.exit(main())
