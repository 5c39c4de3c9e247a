"""A conversation longer than a process could hold: what was seen, and what it costs now.

Seen: 72 turns of 43,000 control characters each, cancelled as they were stored, then one normal
turn. The frame was 18 MB where the engine reads 16, it was dropped, and the job never ended; the
worker had grown from 56 to 140 MB.
"""

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from aistratus_contracts import table
from aistratus_contracts.job import Job, Message, Sampling, new_conversation_id
from aistratus_contracts.states import JobState, Role
from aistratus_contracts.table import Answer, Item
from aistratus_daemon.frames import encode_frame
from aistratus_daemon.worker.conversation import history_bytes, next_due
from aistratus_daemon.worker.store import JobStore
from support.cloud import OWNER, TABLE, Cloud, emulated_cloud, states_of
from support.scripted_engine import scripted_engine
from support.worker_process import WorkerProcess, running_worker

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = datetime(2026, 11, 23, tzinfo=UTC)
PAGE_BYTES = 1_000_000
CONTROL = "\x01" * 43_000
CANCELLED = Answer(JobState.CANCELLED, "")


def job_of_turn(conversation_id: str, turn: int) -> Job:
    sampling = Sampling(max_tokens=5, temperature=0.0)
    job_id = f"job-{turn}"
    return Job(job_id, OWNER, conversation_id, turn, "m", NOW, table.expiry_of(NOW), sampling)


def items_of_turn(job: Job, text: str, answer: Answer | None) -> list[Item]:
    """In the order of a query that goes backwards."""
    items = [table.prompt_item(job, (Message(Role.USER, text),))]
    return items if answer is None else [*items, table.answer_item(job, answer)]


class Paging:
    """DynamoDB with a conversation that is made up page by page, so that it takes no memory."""

    def __init__(self, items: Iterator[Item]) -> None:
        self.items = items
        self.pages = 0

    def get_paginator(self, _: str) -> "Paging":
        return self

    def paginate(self, *, Limit: int, ScanIndexForward: bool, **_: Any) -> Iterator[Item]:  # noqa: N803
        assert not ScanIndexForward
        page: list[Item] = []
        size = 0
        for item in self.items:
            page.append(item)
            size += len(str(item))
            if size > PAGE_BYTES or len(page) == Limit:
                self.pages += 1
                yield {"Items": page}
                page, size = [], 0
        self.pages += 1
        yield {"Items": page}


def silent_conversation(turns: int, first: Answer | None) -> tuple[JobStore, Paging, Job]:
    """Turns that were cancelled as they were stored, an open one behind, and one before them."""
    asked = job_of_turn("conv", turns)

    def backwards() -> Iterator[Item]:
        yield from items_of_turn(asked, "a normal question", None)
        for turn in range(turns - 1, 1, -1):
            yield from items_of_turn(replace(asked, turn=turn), CONTROL, CANCELLED)
        yield from items_of_turn(replace(asked, turn=1), "the first", first)

    client = Paging(backwards())
    return JobStore(cast("DynamoDBClient", client), TABLE), client, asked


def test_400_turns_of_a_quarter_of_a_megabyte_are_read_in_a_few() -> None:
    store, _, asked = silent_conversation(400, None)
    tracemalloc.start()
    try:
        due = next_due(store.turns_backwards(asked), history_bytes(2048))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert due is not None
    assert due.turn.turn == 1, "the open turn behind them is due first"
    assert peak < 8_000_000


def test_what_came_before_a_worker_s_answer_is_read_no_further_than_it_is_worth() -> None:
    answered = job_of_turn("conv", 399)
    store, client, asked = silent_conversation(400, None)
    open_and_rest = client.items
    client.items = iter(
        [
            next(open_and_rest),
            *items_of_turn(answered, "before", Answer(JobState.SUCCEEDED, "yes")),
            *(item for item, _ in zip(open_and_rest, range(300), strict=False)),
        ]
    )
    due = next_due(store.turns_backwards(asked), history_bytes(2048))
    assert due is not None
    assert due.turn.turn == 400
    assert client.pages < 10


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with emulated_cloud() as cloud:
        yield cloud


def peak_kib(worker: WorkerProcess) -> int:
    status = Path(f"/proc/{worker.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1])


def test_a_turn_after_72_that_were_cancelled_is_answered_in_no_more_memory(
    cloud: Cloud, tmp_path: Path
) -> None:
    conversation_id = new_conversation_id()
    for turn in range(1, 73):
        # Every tenth one said something, so there is more than the frame could hold as well.
        answer = CANCELLED if turn % 10 else Answer(JobState.SUCCEEDED, CONTROL)
        for item in items_of_turn(job_of_turn(conversation_id, turn), CONTROL, answer):
            cloud.dynamodb.put_item(TableName=TABLE, Item=item)
    opening = (Message(Role.SYSTEM, "Be brief."), Message(Role.USER, CONTROL))
    first = table.prompt_item(job_of_turn(conversation_id, 1), opening)
    cloud.dynamodb.put_item(TableName=TABLE, Item=first)
    cloud.turns[conversation_id] = 72
    with (
        scripted_engine(tmp_path) as engine,
        running_worker(cloud, engine.socket_path, tmp_path) as worker,
    ):
        before = cloud.put_job("how are you?")
        engine.finish(engine.next_request())
        cloud.until_end(before)
        usual = peak_kib(worker)
        job = cloud.put_job("and now?", conversation_id=conversation_id)
        request = engine.next_request()
        assert [item.content for item in request.messages] == ["Be brief.", "and now?"]
        assert len(encode_frame(request)) < 1000
        engine.finish(request)
        cloud.until_end(job)
        assert states_of(cloud.events(job))[-1] == "succeeded"
        grown = peak_kib(worker) - usual
        cloud.until_queue_is_empty()
    assert grown < 20_000, f"{grown} KiB more than a short conversation takes"
