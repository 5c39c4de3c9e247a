"""A slot has one owner, and comes back whatever becomes of its job.

After each kind of end the worker's tasks, what it holds of the queue, its streams and the engine's
own requests are counted, and then as many jobs as there are slots run side by side.
"""

import logging
from collections.abc import Callable, Iterator

import pytest

from aistratus_contracts import table
from aistratus_contracts.errors import JobErrorCode
from aistratus_contracts.event import JobError, StateChange
from aistratus_contracts.job import Job
from aistratus_contracts.states import JobState
from aistratus_daemon.frames import Failed, Generate
from aistratus_daemon.worker import consumer as consumer_module
from aistratus_daemon.worker import engine_client
from support.scripted_engine import stats
from support.simulation.model import poison
from support.simulation.scene import TABLE, Scene
from support.simulation.worker import JOBS

SLOTS = 3
PATIENCE = 300.0


class Room:
    """One worker, its engine, and what can be done to them."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        (self.worker,) = scene.fleet
        self.engine = self.worker.engine
        self._asked = 0
        scene.world.run(5.0)

    def ask(self, text: str = "a prompt") -> Job:
        self._asked += 1
        return self.scene.ask(f"conv-{self._asked}", f"{text} {self._asked}")

    def until(self, is_so: Callable[[], bool]) -> None:
        assert self.scene.world.run(PATIENCE, is_so), "\n".join(self.scene.world.story[-60:])

    def until_running(self, job: Job) -> None:
        self.until(lambda: job.job_id in self.engine.jobs_inside())

    def until_end(self, job: Job) -> None:
        self.until(lambda: bool(self.scene.log(job.job_id).ended))

    def state(self, job: Job) -> JobState:
        return self.scene.log(job.job_id).record.cursor.state

    def code(self, job: Job) -> JobErrorCode:
        events = self.scene.log(job.job_id).events
        return next(event.body.code for event in events if isinstance(event.body, JobError))

    def delete(self, job: Job) -> None:
        """The router deletes the job, as with its conversation."""
        items = self.scene.cloud.table.items
        for key in [key for key in items if key[0] == table.job_partition(job.job_id)]:
            del items[key]

    def take_over(self, job: Job) -> None:
        """Another worker takes the job, and is heard of no more."""
        record = self.scene.log(job.job_id).record
        state = [StateChange(JobState.RUNNING)]
        made = table.append(TABLE, record, state, self.scene.cloud.now(), new_attempt=True)
        self.scene.write(made.transact_items)

    def is_free(self) -> bool:
        """Whether nobody has any of it."""
        worker, queue = self.worker, self.scene.cloud.queues[JOBS]
        if worker.consumer is None or worker.client is None or worker.process is None:
            return False
        return (
            worker.consumer.running() == worker.consumer.held() == 0
            and not worker.client._streams
            and not self.engine.jobs_inside()
            and not queue.messages
        )

    def judge(self) -> None:
        """All is free, and as many jobs as there are slots run side by side."""
        self.until(self.is_free)
        jobs = [self.ask("the next") for _ in range(SLOTS)]
        names = {job.job_id for job in jobs}
        self.until(lambda: self.engine.jobs_inside() == names)
        for job in jobs:
            self.until_end(job)
            assert self.state(job) is JobState.SUCCEEDED
        self.until(self.is_free)


@pytest.fixture
def room() -> Iterator[Room]:
    scene = Scene(seed=11, workers=1, slots=SLOTS)
    try:
        room = Room(scene)
        yield room
        room.judge()
        assert not scene.world.violations, "\n".join(scene.world.story[-60:])
    finally:
        scene.close()


@pytest.fixture
def silent(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine takes requests and computes nothing, though it lives."""
    monkeypatch.setattr(room.engine, "_step_soon", lambda: None)


def test_done(room: Room) -> None:
    job = room.ask()
    room.until_end(job)
    assert room.state(job) is JobState.SUCCEEDED


def test_failed_by_the_engine(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(request: Generate) -> None:
        room.engine._send(Failed(request.job_id, JobErrorCode.PROMPT_TOO_LONG, "Too long. " * 999))

    monkeypatch.setattr(room.engine, "_generate", refuse)
    job = room.ask()
    room.until_end(job)
    assert room.code(job) is JobErrorCode.PROMPT_TOO_LONG
    monkeypatch.undo()


def test_cancelled(room: Room) -> None:
    job = room.ask()
    room.until_running(job)
    room.scene.cancel(job)
    room.until_end(job)
    assert room.state(job) is JobState.CANCELLED


def test_cancelled_while_the_engine_does_not_hear(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader is not told of a cancel by an engine that never says that it stopped."""
    monkeypatch.setattr(room.engine, "_step_soon", lambda: None)
    monkeypatch.setattr(room.engine, "_end", lambda *_: None)
    job = room.ask()
    room.until_running(job)
    room.scene.cancel(job)
    room.until_end(job)
    assert room.state(job) is JobState.CANCELLED
    monkeypatch.undo()
    room.engine._sequences.clear()


@pytest.mark.usefixtures("silent")
def test_deleted_while_the_engine_is_silent(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    job = room.ask()
    room.until_running(job)
    room.delete(job)
    room.until(room.is_free)
    monkeypatch.undo()


@pytest.mark.usefixtures("silent")
def test_taken_over_while_the_engine_is_silent(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """The append is refused before there is one: the table is looked at meanwhile."""
    job = room.ask()
    room.until_running(job)
    room.take_over(job)
    room.until(lambda: room.scene.log(job.job_id).record.cursor.attempt == 3)
    monkeypatch.undo()
    room.engine._step_soon()
    room.until_end(job)


def test_an_append_that_is_refused(room: Room) -> None:
    job = room.ask()
    room.until(lambda: bool(room.scene.log(job.job_id).text))
    room.take_over(job)
    room.until_end(job)
    assert room.state(job) is JobState.SUCCEEDED


def test_the_engine_is_lost(room: Room) -> None:
    job = room.ask()
    room.until_running(job)
    room.scene.kill_engine(room.worker)
    room.until_end(job)
    assert room.state(job) is JobState.SUCCEEDED


def test_cancelled_while_there_is_no_engine(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    job = room.ask()
    room.until_running(job)
    monkeypatch.setattr(room.engine, "_start", lambda: None)
    room.scene.kill_engine(room.worker)
    room.scene.cancel(job)
    room.until_end(job)
    assert room.state(job) is JobState.CANCELLED
    monkeypatch.undo()
    room.engine._start()


def test_poison(room: Room) -> None:
    job = room.ask(poison(3, "x"))
    room.until_end(job)
    assert room.code(job) is JobErrorCode.POISON


def test_a_frame_too_long_to_be_sent(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_client, "MAX_FRAME_BYTES", 100)
    job = room.ask()
    room.until_end(job)
    assert room.code(job) is JobErrorCode.PROMPT_TOO_LONG
    assert not room.engine.requests
    monkeypatch.undo()


def test_a_request_that_gets_lost_is_made_again(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[Generate] = []
    monkeypatch.setattr(room.engine, "_generate", lost.append)
    job = room.ask()
    room.until(lambda: bool(lost))
    monkeypatch.undo()
    room.until_end(job)
    assert room.state(job) is JobState.SUCCEEDED


def test_a_request_that_gets_lost_each_time_ends_failed(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[Generate] = []
    monkeypatch.setattr(room.engine, "_generate", lost.append)
    job = room.ask()
    room.until_end(job)
    assert room.code(job) is JobErrorCode.ENGINE_FAILED
    assert len(lost) == 3
    monkeypatch.undo()


@pytest.mark.usefixtures("silent")
def test_a_prompt_that_the_engine_has_and_does_not_begin_is_not_asked_for_again(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queued prompt may wait for minutes; the engine lives, and knows it."""
    job = room.ask()
    room.until_running(job)
    for _ in range(60):
        room.engine._send(stats())
        room.scene.world.run(10.0)
    assert list(room.engine._sequences) == [f"{job.job_id}#0"]
    monkeypatch.undo()
    room.engine._step_soon()
    room.until_end(job)
    assert room.state(job) is JobState.SUCCEEDED


@pytest.mark.usefixtures("silent")
def test_an_engine_that_says_nothing_at_all_is_not_waited_for(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = room.ask()
    room.until(lambda: list(room.engine._sequences) == [f"{job.job_id}#1"])
    monkeypatch.undo()
    room.engine._step_soon()
    room.until_end(job)
    assert room.state(job) is JobState.SUCCEEDED


def test_a_drain(room: Room) -> None:
    job = room.ask()
    room.until_running(job)
    room.worker.drain()
    room.until(lambda: room.worker.process is None)
    assert room.scene.cloud.queues[JOBS].messages[0].visible_at <= room.scene.world.now
    room.worker.start()
    room.until_end(job)


def test_an_exception_in_our_own_code(
    room: Room, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It takes its slot only as long as it lasts, and its job is tried again."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    caplog.set_level(logging.CRITICAL, "worker")
    monkeypatch.setattr(consumer_module, "messages_for", fail)
    job = room.ask()
    room.until(lambda: bool(room.scene.cloud.queues[JOBS].messages[0].receives))
    room.scene.world.run(2.0)
    assert room.worker.consumer is not None
    assert room.worker.consumer.running() == 0
    assert not room.scene.log(job.job_id).ended
    monkeypatch.undo()
    room.until_end(job)
    assert room.state(job) is JobState.SUCCEEDED
