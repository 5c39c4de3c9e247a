"""Jobs that are stored and perhaps not yet sent.

A job enters the outbox in the transaction that stores it, and leaves it when it was sent. What
a crash leaves in between is sent by the next request with the same `request_id`, or by the
steward. Sending twice does no harm: the queue drops the second within five minutes, and the
worker knows a job's state from the table.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from aistratus_contracts import codec, table
from aistratus_contracts.job import Job
from aistratus_contracts.table import Item
from aistratus_router.queue import JobQueue
from aistratus_router.table_access import Table


@dataclass(frozen=True, slots=True)
class Unsent:
    """A job in the outbox."""

    job_id: str
    conversation_id: str
    stored_at: datetime


class Outbox:
    """The outbox, and the queue that it empties into."""

    def __init__(self, the_table: Table, queue: JobQueue) -> None:
        self._table = the_table
        self._queue = queue

    def send(self, job_id: str, conversation_id: str) -> None:
        """Send a job; only then take it out."""
        self._queue.send(job_id, conversation_id)
        self._table.delete(outbox_key(job_id))

    def holds(self, job_id: str) -> bool:
        """Whether a job is still in it."""
        return self._table.get(outbox_key(job_id)) is not None

    def stored_before(self, moment: datetime) -> Iterator[Unsent]:
        """What lies in it since before `moment`."""
        for item in self._table.query(table.OUTBOX_PARTITION):
            stored_at = codec.parse_time(item["stored_at"]["S"])
            if stored_at < moment:
                yield Unsent(item[table.SORT_KEY]["S"], item["conversation_id"]["S"], stored_at)


def outbox_key(job_id: str) -> Item:
    """The primary key of a job's place in the outbox."""
    return table.key(table.OUTBOX_PARTITION, job_id)


def outbox_item(job: Job) -> Item:
    """A job's place in the outbox."""
    return {
        **outbox_key(job.job_id),
        "conversation_id": {"S": job.conversation_id},
        "stored_at": {"S": codec.format_time(job.created_at)},
        table.TTL_ATTRIBUTE: {"N": str(job.expires_at)},
    }
