"""What a commit costs, in DynamoDB's write units: the cursor moves without the job."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from aistratus_contracts import table
from aistratus_contracts.event import Delta, Event, StateChange
from aistratus_contracts.job import Cursor, Job, LogitBias, ResponseFormat, Sampling, new_job_id
from aistratus_contracts.limits import MAX_GRAMMAR_BYTES, MAX_REQUEST_ID_CHARS
from aistratus_contracts.states import JobState, ResponseFormatType
from support.doubles.dynamodb import Table, Write
from support.doubles.units import UNIT_BYTES, transaction_units

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
BAR = 1.2
PLAIN = Sampling(max_tokens=400, temperature=0.7)
GRAMMAR = ResponseFormat(
    ResponseFormatType.GRAMMAR, grammar='root ::= "a"'.ljust(MAX_GRAMMAR_BYTES, "#")
)
# The most that a META item holds besides the job: the router's idempotency key, a late cursor.
REQUEST = {"request_id": {"S": "r" * MAX_REQUEST_ID_CHARS}}
LATE = Cursor(JobState.SUCCEEDED, 99, 10**6, cancel_requested=True, append_id="f" * 16, failures=3)


def job_with(sampling: Sampling) -> Job:
    return Job(
        job_id=new_job_id(),
        owner="c" * 36,
        conversation_id="conv-" + "b" * 24,
        turn=12,
        model="tinyllama",
        sampling=sampling,
        created_at=NOON,
        expires_at=table.expiry_of(NOON),
    )


def commit_units(sampling: Sampling) -> int:
    """What an append of one delta costs for a job with this sampling, in the middle of its log."""
    made: list[list[Write]] = []
    stored = Table("jobs", committed=lambda _by, writes: made.append(writes))
    record = table.JobRecord(job_with(sampling), Cursor(JobState.RUNNING, 1, 40))
    first = Event(1, 0, NOON, StateChange(JobState.QUEUED))
    items = [*table.job_items(record), table.event_item(record.job, first)]
    puts = [table.put_if_absent("jobs", item) for item in items]
    stored.handle("TransactWriteItems", {"TransactItems": puts})
    append = table.append(
        "jobs", record, [Delta("ten tokens of an answer", tuple(range(10)))], NOON
    )
    stored.handle("TransactWriteItems", {"TransactItems": append.transact_items})
    return transaction_units(made[-1])


@pytest.mark.parametrize(
    "more",
    [
        {"response_format": GRAMMAR},
        {"logit_bias": tuple(LogitBias(token, -100.0) for token in range(300))},
        {"stop": ("é" * 64,) * 4, "response_format": GRAMMAR},
    ],
    ids=["grammar", "biases", "both"],
)
def test_a_commit_costs_the_same_however_long_the_job_is(more: dict[str, object]) -> None:
    plain = commit_units(PLAIN)
    assert plain == 4
    assert commit_units(replace(PLAIN, **more)) <= BAR * plain  # type: ignore[arg-type]


@pytest.mark.parametrize("length", range(0, table.MAX_JOB_BYTES_IN_META, 16))
def test_a_cursor_never_takes_a_second_unit(length: int) -> None:
    writes = []
    for stop in ("x" * length, "x" * (length + 8)):
        record = table.JobRecord(job_with(replace(PLAIN, stop=(stop,))), LATE)
        writes.append(Write(("", ""), None, table.meta_item(record) | REQUEST))
    assert [transaction_units([write]) for write in writes] == [2, 2]
    assert UNIT_BYTES == 1024


def test_an_ordinary_job_is_one_item() -> None:
    assert len(table.job_items(table.JobRecord(job_with(PLAIN), LATE))) == 1
