"""Jobs in the table: accepted in one transaction, advanced behind the fence, read back."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Final

from aistratus_contracts import codec, table
from aistratus_contracts.event import Event, JobError
from aistratus_contracts.job import Message
from aistratus_contracts.limits import MAX_EVENTS_PER_PAGE
from aistratus_contracts.states import JobState
from aistratus_contracts.table import Append, ConversationHead, Item, JobRecord
from aistratus_router.store.open_jobs import open_item
from aistratus_router.store.table import REFUSED, Table, key_of

# Besides the contract's attributes, a META item names the idempotency key that created it.
REQUEST_ATTRIBUTE: Final = "request_id"
# Enough to see why a job failed: its error comes just before its final state.
LAST_EVENTS: Final = 2


class Outcome(Enum):
    """What became of an attempt to accept a prompt."""

    DONE = auto()
    REQUEST_ID_TAKEN = auto()
    CONFLICT = auto()


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A REQ item: the job that an idempotency key created. `digest` is the body's fingerprint."""

    request_id: str
    job_id: str
    digest: str


@dataclass(frozen=True, slots=True)
class Place:
    """A place for one more job: its message group, and the write that takes it."""

    group: str
    write: Item


@dataclass(frozen=True, slots=True)
class NewJob:
    """Everything that accepting a prompt writes, all or nothing.

    `turns_before` is the number of turns that the conversation had when it was read; 0 opens it.
    `place` is the job's place among its owner's open jobs.
    `forgotten_job_id`: the key's earlier job, which is gone, so the key may pass to this one.
    """

    record: JobRecord
    first_event: Event
    messages: tuple[Message, ...]
    head: ConversationHead
    turns_before: int
    place: Place
    request: RequestRecord | None = None
    forgotten_job_id: str | None = None


@dataclass(frozen=True, slots=True)
class LogPage:
    """A job, and a stretch of its log without a gap, as `(seq, JSON text)` pairs."""

    record: JobRecord
    events: list[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class LastSign:
    """A job and its newest events, newest first."""

    record: JobRecord
    events: list[Event]

    @property
    def error(self) -> JobError | None:
        """Why the job failed; a failed job's last append holds the error."""
        return next((e.body for e in self.events if isinstance(e.body, JobError)), None)


class JobStore:
    """Jobs, their logs, and the idempotency keys that created them."""

    def __init__(self, the_table: Table) -> None:
        self._table = the_table

    def create(self, new: NewJob) -> Outcome:
        """Store a job, its first event, its turn and its entry as an open job, all at once."""
        job, name = new.record.job, self._table.name
        meta, *document = table.job_items(new.record)
        items = [
            _head_write(name, new),
            table.put_if_absent(name, table.event_item(job, new.first_event)),
            table.put_if_absent(name, table.prompt_item(job, new.messages)),
            table.put_if_absent(name, open_item(job, new.place.group)),
            new.place.write,
            *(table.put_if_absent(name, item) for item in document),
        ]
        if new.request is not None:
            meta[REQUEST_ATTRIBUTE] = {"S": new.request.request_id}
            items.append(_request_put(name, new, new.request))
        items.insert(0, table.put_if_absent(name, meta))
        reasons = self._table.transact(items)
        if not reasons:
            return Outcome.DONE
        if new.request is not None and reasons[-1] == REFUSED:
            return Outcome.REQUEST_ID_TAKEN
        return Outcome.CONFLICT

    def request(self, owner: str, request_id: str) -> RequestRecord | None:
        """The job that an idempotency key created."""
        item = self._table.get(_request_key(owner, request_id))
        if item is None:
            return None
        return RequestRecord(request_id, item["job_id"]["S"], item["digest"]["S"])

    def load(self, job_id: str) -> JobRecord | None:
        """A job and its cursor."""
        item = self._table.get(table.meta_key(job_id))
        return None if item is None else table.read_meta(item)

    def last_sign(self, job_id: str) -> LastSign | None:
        """A job and its newest events, in one short query: META sorts after them."""
        items, _ = self._table.page(
            ScanIndexForward=False,
            Limit=1 + LAST_EVENTS,
            KeyConditionExpression="pk = :pk AND sk > :document",
            ExpressionAttributeValues={
                ":pk": {"S": table.job_partition(job_id)},
                ":document": {"S": table.DOCUMENT},
            },
        )
        if not items or table.is_event(items[0]):
            return None
        return LastSign(table.read_meta(items[0]), [table.read_event(item) for item in items[1:]])

    def whole_log(self, job_id: str) -> LogPage | None:
        """A job with all its events."""
        events: list[Item] = []
        for item in self._table.query(table.job_partition(job_id), after=table.DOCUMENT):
            if not table.is_event(item):
                return LogPage(table.read_meta(item), _without_hole(events, 0))
            events.append(item)
        return None

    def log_after(self, job_id: str, after: int) -> LogPage | None:
        """One page of events after `after`, and the job, whose item sorts after them.

        It is one Query, which DynamoDB cuts at 1 MB, so the page fits Lambda's 6 MB however it
        is escaped. A query is not a snapshot: an append may commit while it runs. So the page ends
        before the first gap, and the job's item may be older or newer than the events.
        """
        items, _ = self._table.page(
            Limit=MAX_EVENTS_PER_PAGE,
            KeyConditionExpression="pk = :pk AND sk > :after",
            ExpressionAttributeValues={
                ":pk": {"S": table.job_partition(job_id)},
                ":after": {"S": table.event_sort_key(after)},
            },
        )
        if items and not table.is_event(items[-1]):
            record: JobRecord | None = table.read_meta(items.pop())
        else:
            record = self.load(job_id)
        if record is None:
            return None
        return LogPage(record, _without_hole(items, after))

    def commit(self, append: Append) -> bool:
        """Write a fenced append; False if another writer changed the job meanwhile."""
        return not self._table.transact(append.transact_items)

    def request_cancel(self, job_id: str) -> bool:
        """Ask a running job's worker to stop; False if that could not be written now."""
        return self._table.update(
            Key=table.meta_key(job_id),
            ConditionExpression="#state = :running",
            UpdateExpression="SET cancel_requested = :true",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues={
                ":running": {"S": JobState.RUNNING.value},
                ":true": {"BOOL": True},
            },
        )

    def delete(self, owner: str, job_id: str, created_at: datetime) -> None:
        """Delete a job: META first, which fences off its worker, then its events and references."""
        _, meta = self._table.delete(table.meta_key(job_id))
        keys = [table.open_key(job_id, created_at)]
        if meta is not None and REQUEST_ATTRIBUTE in meta:
            keys.append(_request_key(owner, meta[REQUEST_ATTRIBUTE]["S"]))
        partition = table.job_partition(job_id)
        events = self._table.query(partition, ProjectionExpression="pk, sk")
        self._table.delete_all(keys + [key_of(item) for item in events])


def _without_hole(items: list[Item], after: int) -> list[tuple[int, str]]:
    """The events that follow `after` without a gap."""
    events = []
    for seq, item in enumerate(items, after + 1):
        if item[table.SORT_KEY]["S"] != table.event_sort_key(seq):
            break
        events.append((seq, item["event"]["S"]))
    return events


def _request_key(owner: str, request_id: str) -> Item:
    return table.key(table.user_partition(owner), table.request_sort_key(request_id))


def _request_put(table_name: str, new: NewJob, request: RequestRecord) -> Item:
    job = new.record.job
    put = table.put_if_absent(
        table_name,
        {
            **_request_key(job.owner, request.request_id),
            "job_id": {"S": request.job_id},
            "digest": {"S": request.digest},
            table.TTL_ATTRIBUTE: {"N": str(job.expires_at)},
        },
    )
    if new.forgotten_job_id is not None:
        put["Put"]["ConditionExpression"] += " OR job_id = :forgotten"
        put["Put"]["ExpressionAttributeValues"] = {":forgotten": {"S": new.forgotten_job_id}}
    return put


def _head_write(table_name: str, new: NewJob) -> Item:
    owner, head = new.record.job.owner, new.head
    item = table.head_item(owner, head)
    if new.turns_before == 0:
        return table.put_if_absent(table_name, item)
    return {
        "Update": {
            "TableName": table_name,
            "Key": key_of(item),
            "ConditionExpression": "turns = :before",
            "UpdateExpression": f"SET turns = :now, {table.RECENCY_ATTRIBUTE} = :at",
            "ExpressionAttributeValues": {
                ":before": {"N": str(new.turns_before)},
                ":now": {"N": str(head.turns)},
                ":at": {"S": codec.format_time(head.updated_at)},
            },
        }
    }
