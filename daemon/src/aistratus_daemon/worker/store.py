"""The table as the worker uses it: load a job, read its conversation, append to its log.

Blocking calls; the worker runs them in threads. Every append is the fenced transaction of
`aistratus_contracts.table`; reading back tells what a refusal means.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from botocore.exceptions import ClientError

from aistratus_contracts import table
from aistratus_contracts.event import Event, EventBody
from aistratus_contracts.job import Job, JobHead
from aistratus_contracts.table import JobRecord, SignOfLife, Turn
from aistratus_daemon.errors import DaemonError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

# Another writer on the same item (a reader's cancel) makes a transaction fail for a moment.
CONFLICT_TRIES: Final = 8
CONFLICT_PAUSE_SECONDS: Final = 0.02
# A page holds most conversations whole, yet is small for a caller that needs only a few turns.
TURN_ITEMS_PER_PAGE: Final = 32


class AppendRefused(DaemonError):
    """The table did not take an append; the subclass says why."""


class FenceLost(AppendRefused):
    """The job has moved on without this worker: another attempt owns it, or it has ended."""


class CancelRequested(AppendRefused):
    """The job is still this worker's, but its reader has cancelled it."""


class JobGone(AppendRefused):
    """The job no longer exists: its conversation was deleted."""


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class JobStore:
    """The one table, from the worker's side."""

    client: "DynamoDBClient"
    table_name: str
    clock: Callable[[], datetime] = utc_now
    sleep: Callable[[float], None] = time.sleep
    # Called after each append that is in the table.
    moved_on: Callable[[], None] = lambda: None

    def load(self, job_id: str) -> JobRecord | None:
        """A job, or a long job's head, and its cursor as they are now."""
        answer = self.client.get_item(
            TableName=self.table_name, Key=table.meta_key(job_id), ConsistentRead=True
        )
        return table.read_meta(answer["Item"]) if "Item" in answer else None

    def whole_job(self, job: JobHead) -> Job | None:
        """The job with its sampling; None if it was deleted meanwhile."""
        if isinstance(job, Job):
            return job
        answer = self.client.get_item(
            TableName=self.table_name, Key=table.document_key(job.job_id), ConsistentRead=True
        )
        return table.read_document(answer["Item"]) if "Item" in answer else None

    def events(self, job_id: str) -> list[Event]:
        """All events of a job, in order."""
        return [
            table.read_event(item)
            for item in self._pages(
                KeyConditionExpression=(
                    f"{table.PARTITION_KEY} = :pk AND begins_with({table.SORT_KEY}, :prefix)"
                ),
                ExpressionAttributeValues={
                    ":pk": {"S": table.job_partition(job_id)},
                    ":prefix": {"S": table.EVENT_PREFIX},
                },
            )
        ]

    def turns_backwards(self, job: JobHead) -> Iterator[Turn]:
        """The conversation's turns from this job's back to the first, read lazily.

        Only one page is held at a time; a caller that takes a few turns has read only a few.
        """
        items = self._pages(
            ScanIndexForward=False,
            Limit=TURN_ITEMS_PER_PAGE,
            KeyConditionExpression=(
                f"{table.PARTITION_KEY} = :pk AND {table.SORT_KEY} BETWEEN :first AND :last"
            ),
            ExpressionAttributeValues={
                ":pk": {"S": table.user_partition(job.owner)},
                ":first": {"S": table.turns_prefix(job.conversation_id)},
                ":last": {"S": table.prompt_sort_key(job.conversation_id, job.turn)},
            },
        )
        return table.read_turns_backwards(items)

    def first_turn(self, job: JobHead) -> Turn | None:
        """The conversation's first turn, without its answer."""
        where = table.key(
            table.user_partition(job.owner), table.prompt_sort_key(job.conversation_id, 1)
        )
        answer = self.client.get_item(TableName=self.table_name, Key=where, ConsistentRead=True)
        return table.read_turns([answer["Item"]])[0] if "Item" in answer else None

    def append(
        self,
        record: JobRecord,
        bodies: Sequence[EventBody],
        *,
        new_attempt: bool = False,
        unless_cancelled: bool = False,
        answer_text: str = "",
        failures: int | None = None,
    ) -> JobRecord:
        """Append events; returns the record as it is now, or raises an `AppendRefused`."""
        append = table.append(
            self.table_name,
            record,
            bodies,
            self.clock(),
            new_attempt=new_attempt,
            unless_cancelled=unless_cancelled,
            answer_text=answer_text,
            failures=failures,
        )
        after = replace(record, cursor=append.cursor)
        items = cast("list[TransactWriteItemTypeDef]", append.transact_items)
        for attempt in range(CONFLICT_TRIES):
            try:
                self.client.transact_write_items(TransactItems=items)
            except self.client.exceptions.TransactionCanceledException as error:
                codes = _reasons(error)
                if "ConditionalCheckFailed" in codes:
                    self._explain(record, after)
                    self.moved_on()
                    return after
                if "TransactionConflict" not in codes or attempt == CONFLICT_TRIES - 1:
                    raise
                pause = CONFLICT_PAUSE_SECONDS * 2**attempt
                self.sleep(random.uniform(0, pause))  # noqa: S311 - jitter, no secret
            else:
                self.moved_on()
                return after
        raise AssertionError("unreachable: the last try returns or raises")

    def put_sign_of_life(self, sign: SignOfLife) -> None:
        """Write a worker's sign of life."""
        self.client.put_item(TableName=self.table_name, Item=table.worker_item(sign))

    def delete_sign_of_life(self, worker_id: str) -> None:
        """Delete a worker's sign of life."""
        self.client.delete_item(TableName=self.table_name, Key=table.worker_key(worker_id))

    def _explain(self, before: JobRecord, after: JobRecord) -> None:
        """Raise the reason a condition failed; return only if the append is in the table after all.

        The SDK retries a request whose answer it did not see, and the retry then fails its own
        condition. The cursor names the append that last moved it.
        """
        now = self.load(before.job.job_id)
        if now is None:
            raise JobGone(f"Job {before.job.job_id} was deleted.")
        if now.cursor.append_id == after.cursor.append_id:
            return
        if (
            now.cursor.attempt == before.cursor.attempt
            and now.cursor.next_seq == before.cursor.next_seq
            and now.cursor.cancel_requested
        ):
            raise CancelRequested(f"Job {before.job.job_id} is to be cancelled.")
        raise FenceLost(
            f"Job {before.job.job_id} is at attempt {now.cursor.attempt}, event "
            f"{now.cursor.next_seq}; this worker was at attempt {before.cursor.attempt}, event "
            f"{before.cursor.next_seq}."
        )

    def _pages(self, **asked: Any) -> Iterator[table.Item]:
        """A query's items, read page by page; at most 1 MB of items is held at a time."""
        pages = self.client.get_paginator("query").paginate(
            TableName=self.table_name, ConsistentRead=True, **asked
        )
        for page in pages:
            yield from page["Items"]


def _reasons(error: ClientError) -> set[str]:
    reasons = error.response.get("CancellationReasons", [])
    return {str(reason.get("Code", "")) for reason in reasons}
