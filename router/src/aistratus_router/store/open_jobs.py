"""The list of open jobs: every accepted job, from the moment it is stored to its end.

A job enters the list in the transaction that stores it, and leaves it in the one that ends it. In
between, its entry says when it was last sent to the queue, and how often. So a job does not
depend on its message: a job that was never sent is sent by the next request with the same
`request_id` or by the steward, and the steward sends it again if its message is lost. A duplicate
message does no harm: the queue drops it within five minutes, and the worker knows a job's state
from the table.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from aistratus_contracts import codec, table
from aistratus_contracts.job import JobHead
from aistratus_contracts.table import Item
from aistratus_router.store.job_queue import JobQueue
from aistratus_router.store.table import Table, key_of


@dataclass(frozen=True, slots=True)
class OpenJob:
    """An entry: a job that has not ended, as far as the list knows.

    `group` is the message group that it is sent in: one of its owner's lanes. `heard_at` is the
    time of the newest event that the steward has seen. `put_back` is the id of the dead letter
    that was put back as the job's message.
    """

    key: Item
    job_id: str
    group: str
    stored_at: datetime
    sends: int = 0
    sent_at: datetime | None = None
    heard_at: datetime | None = None
    cancel_asked_at: datetime | None = None
    put_back: str = ""

    @property
    def sign_at(self) -> datetime:
        """The job's last sign: when it was stored, last sent or last worked on."""
        return max(at for at in (self.stored_at, self.sent_at, self.heard_at) if at is not None)


class OpenJobs:
    """The list, and the queue that its jobs are sent to."""

    def __init__(self, the_table: Table, queue: JobQueue) -> None:
        self._table = the_table
        self._queue = queue

    def send(self, entry: OpenJob, at: datetime) -> None:
        """Send a job's message, then record that it was sent.

        Each send has its own deduplication id, derived from the entry. So two processes that send
        at once, or one that repeats a send after a crash, send one message.
        """
        again = f"-{entry.sends}" if entry.sends else ""
        self._queue.send(entry.job_id, entry.group, entry.job_id + again)
        condition = "attribute_exists(pk) AND attribute_not_exists(sends)"
        before: Item = {}
        if entry.sends:
            condition = "sends = :before"
            before = {":before": {"N": str(entry.sends)}}
        self._table.update(
            Key=entry.key,
            ConditionExpression=condition,
            UpdateExpression="SET sends = :sends, sent_at = :at",
            ExpressionAttributeValues={
                **before,
                ":sends": {"N": str(entry.sends + 1)},
                ":at": {"S": codec.format_time(at)},
            },
        )

    def find(self, job: JobHead) -> OpenJob | None:
        """A job's entry; None once the job has ended."""
        item = self._table.get(table.open_key(job.job_id, job.created_at))
        return None if item is None else _read(item)

    def oldest_first(self) -> Iterator[OpenJob]:
        """All entries, page by page."""
        yield from map(_read, self._table.query(table.OPEN_PARTITION))

    def hear(self, entry: OpenJob, at: datetime) -> None:
        """Record that a worker was on a job at this time."""
        self._mark(entry.key, "heard_at", at)

    def ask_cancel(self, job: JobHead, at: datetime) -> None:
        """Record when a job's owner first asked for it to stop."""
        self._mark(
            table.open_key(job.job_id, job.created_at), "cancel_asked_at", at, only_once=True
        )

    def put_back(self, entry: OpenJob, dead_letter_id: str, at: datetime) -> bool:
        """Claim the job's one redelivery for this dead letter; False if taken, or the job ended."""
        return self._table.update(
            Key=entry.key,
            ConditionExpression=(
                "attribute_exists(pk) AND attribute_not_exists(put_back) OR put_back = :dead_letter"
            ),
            UpdateExpression="SET put_back = :dead_letter, sent_at = :at",
            ExpressionAttributeValues={
                ":dead_letter": {"S": dead_letter_id},
                ":at": {"S": codec.format_time(at)},
            },
        )

    def remove(self, entry: OpenJob) -> None:
        """Remove the entry of a job that has ended or is gone."""
        self._table.delete(entry.key)

    def _mark(self, key: Item, name: str, at: datetime, *, only_once: bool = False) -> None:
        """Set a time; if the entry is gone, the job has ended and needs none."""
        condition = "attribute_exists(pk)"
        if only_once:
            condition += f" AND attribute_not_exists({name})"
        self._table.update(
            Key=key,
            ConditionExpression=condition,
            UpdateExpression=f"SET {name} = :at",
            ExpressionAttributeValues={":at": {"S": codec.format_time(at)}},
        )


def open_job(job: JobHead, group: str) -> OpenJob:
    """The entry of a job that was just stored."""
    key = table.open_key(job.job_id, job.created_at)
    return OpenJob(key, job.job_id, group, job.created_at)


def open_item(job: JobHead, group: str) -> Item:
    """The item of a new job's entry."""
    return {
        **table.open_key(job.job_id, job.created_at),
        "message_group": {"S": group},
        "stored_at": {"S": codec.format_time(job.created_at)},
        table.TTL_ATTRIBUTE: {"N": str(job.expires_at)},
    }


def _read(item: Item) -> OpenJob:
    def time(name: str) -> datetime | None:
        return codec.parse_time(item[name]["S"]) if name in item else None

    return OpenJob(
        key=key_of(item),
        job_id=item[table.SORT_KEY]["S"].rpartition("#")[2],
        group=item["message_group"]["S"],
        stored_at=codec.parse_time(item["stored_at"]["S"]),
        sends=int(item.get("sends", {}).get("N", "0")),
        sent_at=time("sent_at"),
        heard_at=time("heard_at"),
        cancel_asked_at=time("cancel_asked_at"),
        put_back=item.get("put_back", {}).get("S", ""),
    )
