"""The list of open jobs: every accepted job, from the moment it is stored to its end.

A job enters the list in the transaction that stores it, and leaves it in the one that ends it. In
between, its entry says when it was last sent to the queue, and how often. So a job does not hang
on its message: what was never sent is sent by the next request with the same `request_id`, or by
the steward, and what was sent and got lost is sent again by the steward. A message too many does
no harm: the queue drops the same one within five minutes, and the worker knows a job's state from
the table.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aistratus_contracts import codec, table
from aistratus_contracts.job import Job
from aistratus_contracts.table import Item
from aistratus_router.queue import JobQueue
from aistratus_router.table_access import Table, key_of

# Where jobs waited to be sent before there was this list; their entries have no marks.
FORMER_PARTITION: Final = "OUTBOX"
GROUP_ATTRIBUTE: Final = "message_group"


@dataclass(frozen=True, slots=True)
class OpenJob:
    """An entry: a job that has not ended, as far as the list knows.

    `group` is the message group that it is sent in: one of its owner's lanes. `heard_at` is the
    time of the newest event that the steward has seen. `put_back` is the id of the dead letter
    that the job's message was made from again.
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
        """When there was last a sign of it: it was sent, or somebody worked on it."""
        return max(at for at in (self.stored_at, self.sent_at, self.heard_at) if at is not None)


class OpenJobs:
    """The list, and the queue that its jobs are sent to."""

    def __init__(self, the_table: Table, queue: JobQueue) -> None:
        self._table = the_table
        self._queue = queue

    def send(self, entry: OpenJob, at: datetime) -> None:
        """Send a job's message, then write down that it was sent.

        Each time has its own deduplication id, which follows from the entry: two who do it at
        once, or one who does it again because it died in between, send one message.
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

    def find(self, job: Job) -> OpenJob | None:
        """A job's entry; None once the job has ended."""
        item = self._table.get(table.open_key(job.job_id, job.created_at))
        return None if item is None else _read(item)

    def oldest_first(self) -> Iterator[OpenJob]:
        """All entries, page by page."""
        for partition in (FORMER_PARTITION, table.OPEN_PARTITION):
            for item in self._table.query(partition):
                yield _read(item)

    def hear(self, entry: OpenJob, at: datetime) -> None:
        """Write down that somebody worked on a job then."""
        self._mark(entry.key, "heard_at", at)

    def ask_cancel(self, job: Job, at: datetime) -> None:
        """Write down since when somebody wants a job to stop."""
        self._mark(
            table.open_key(job.job_id, job.created_at), "cancel_asked_at", at, only_once=True
        )

    def put_back(self, entry: OpenJob, letter_id: str, at: datetime) -> bool:
        """Whether a job's message may be made again from this dead letter: from one, once."""
        return self._table.update(
            Key=entry.key,
            ConditionExpression=(
                "attribute_exists(pk) AND attribute_not_exists(put_back) OR put_back = :letter"
            ),
            UpdateExpression="SET put_back = :letter, sent_at = :at",
            ExpressionAttributeValues={
                ":letter": {"S": letter_id},
                ":at": {"S": codec.format_time(at)},
            },
        )

    def remove(self, entry: OpenJob) -> None:
        """Forget a job that has ended, or is gone."""
        self._table.delete(entry.key)

    def _mark(self, key: Item, name: str, at: datetime, *, only_once: bool = False) -> None:
        """Set a time; whoever's entry went away meanwhile has ended, and needs none."""
        condition = "attribute_exists(pk)"
        if only_once:
            condition += f" AND attribute_not_exists({name})"
        self._table.update(
            Key=key,
            ConditionExpression=condition,
            UpdateExpression=f"SET {name} = :at",
            ExpressionAttributeValues={":at": {"S": codec.format_time(at)}},
        )


def open_job(job: Job, group: str) -> OpenJob:
    """The entry of a job that was just stored."""
    key = table.open_key(job.job_id, job.created_at)
    return OpenJob(key, job.job_id, group, job.created_at)


def open_item(job: Job, group: str) -> Item:
    """The item of a new job's entry."""
    return {
        **table.open_key(job.job_id, job.created_at),
        "conversation_id": {"S": job.conversation_id},
        GROUP_ATTRIBUTE: {"S": group},
        "stored_at": {"S": codec.format_time(job.created_at)},
        table.TTL_ATTRIBUTE: {"N": str(job.expires_at)},
    }


def _read(item: Item) -> OpenJob:
    def time(name: str) -> datetime | None:
        return codec.parse_time(item[name]["S"]) if name in item else None

    return OpenJob(
        key=key_of(item),
        job_id=item[table.SORT_KEY]["S"].rpartition("#")[2],
        # Before there were lanes, the group was the conversation.
        group=item[GROUP_ATTRIBUTE if GROUP_ATTRIBUTE in item else "conversation_id"]["S"],
        stored_at=codec.parse_time(item["stored_at"]["S"]),
        sends=int(item.get("sends", {}).get("N", "0")),
        sent_at=time("sent_at"),
        heard_at=time("heard_at"),
        cancel_asked_at=time("cancel_asked_at"),
        put_back=item.get("put_back", {}).get("S", ""),
    )
