"""What an append's refusal means, found out at the table."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import pytest

from aistratus_contracts import table
from aistratus_contracts.event import Delta, StateChange
from aistratus_contracts.job import Job, ResponseFormat
from aistratus_contracts.states import JobState, ResponseFormatType
from aistratus_contracts.table import JobRecord
from aistratus_daemon.worker.store import CancelRequested, FenceLost, JobGone, JobStore
from support.cloud import TABLE, Cloud, emulated_cloud, text_of

RUNNING = [StateChange(JobState.RUNNING)]


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with emulated_cloud() as cloud:
        yield cloud


@pytest.fixture
def store(cloud: Cloud) -> JobStore:
    return JobStore(cloud.dynamodb, TABLE)


@dataclass
class DeafClient:
    """A client whose first answer is lost on the way: the SDK sends the request again."""

    client: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def transact_write_items(self, **request: Any) -> Any:
        self.client.transact_write_items(**request)
        return self.client.transact_write_items(**request)


def loaded(store: JobStore, cloud: Cloud) -> JobRecord:
    record = store.load(cloud.put_job("hello", send=False).job_id)
    assert record is not None
    return record


def test_a_long_job_is_read_from_where_its_grammar_lies(cloud: Cloud, store: JobStore) -> None:
    form = ResponseFormat(ResponseFormatType.GRAMMAR, grammar='root ::= "a"'.ljust(16_000, "#"))
    asked = cloud.put_job("hello", send=False, response_format=form)
    record = store.load(asked.job_id)
    assert record is not None
    assert record.job.job_id == asked.job_id
    assert not isinstance(record.job, Job)
    whole = store.whole_job(record.job)
    assert whole is not None
    assert whole.sampling == asked.sampling
    assert store.whole_job(whole) is whole
    cloud.dynamodb.delete_item(TableName=TABLE, Key=table.document_key(asked.job_id))
    assert store.whole_job(record.job) is None


def test_only_an_append_that_is_in_the_table_moves_a_job_on(cloud: Cloud) -> None:
    """The dead man's switch hears of no other."""
    moves: list[str] = []
    store = JobStore(cloud.dynamodb, TABLE, moved_on=lambda: moves.append("on"))
    record = loaded(store, cloud)
    assert moves == []
    store.append(record, RUNNING, new_attempt=True)
    assert moves == ["on"]
    with pytest.raises(FenceLost):
        store.append(record, RUNNING, new_attempt=True)
    assert moves == ["on"]


def test_of_two_that_take_a_job_at_once_one_has_it(cloud: Cloud, store: JobStore) -> None:
    record = loaded(store, cloud)
    taken = store.append(record, RUNNING, new_attempt=True)
    with pytest.raises(FenceLost, match="attempt 1"):
        store.append(record, RUNNING, new_attempt=True)
    # Also in the middle: the other's append stands exactly where ours would have.
    store.append(taken, [Delta("theirs", (1,))])
    with pytest.raises(FenceLost):
        store.append(taken, [Delta("ours", (2,))])
    assert text_of(cloud.events(record.job)) == "theirs"


def test_an_append_that_the_sdk_sent_twice_is_known_as_our_own(
    cloud: Cloud, store: JobStore
) -> None:
    deaf = JobStore(cast("Any", DeafClient(cloud.dynamodb)), TABLE)
    record = deaf.append(loaded(store, cloud), RUNNING, new_attempt=True)
    record = deaf.append(record, [Delta("once", (1,))])
    assert record == store.load(record.job.job_id)
    assert [event.seq for event in cloud.events(record.job)] == [1, 2, 3]
    assert text_of(cloud.events(record.job)) == "once"


def test_a_wish_to_cancel_is_told_from_a_lost_fence(cloud: Cloud, store: JobStore) -> None:
    record = store.append(loaded(store, cloud), RUNNING, new_attempt=True)
    cloud.cancel(record.job)
    with pytest.raises(CancelRequested):
        store.append(record, [Delta("late", (1,))], unless_cancelled=True)
    cloud.take_over(record.job)
    with pytest.raises(FenceLost):
        store.append(record, [Delta("late", (1,))], unless_cancelled=True)


def test_a_job_that_is_not_there_any_more_is_named(cloud: Cloud, store: JobStore) -> None:
    record = loaded(store, cloud)
    cloud.delete(record.job)
    with pytest.raises(JobGone, match=record.job.job_id):
        store.append(record, RUNNING, new_attempt=True)


def test_failures_are_kept_until_they_are_reset(cloud: Cloud, store: JobStore) -> None:
    record = store.append(loaded(store, cloud), RUNNING, new_attempt=True, failures=2)
    record = store.append(record, [Delta("a", (1,))])
    now = store.load(record.job.job_id)
    assert now is not None
    assert now.cursor.failures == 2
    assert store.append(record, [Delta("b", (2,))], failures=0).cursor.failures == 0
