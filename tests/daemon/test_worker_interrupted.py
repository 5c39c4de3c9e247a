"""What happens to a job in the middle of its answer: cancelled, drained, taken over, deleted.

The engine is scripted, so that «in the middle» is a place and not a matter of luck.
"""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aistratus_contracts.errors import JobErrorCode
from aistratus_contracts.event import Delta, JobError, Usage
from aistratus_contracts.job import Job, decode_queue_message
from aistratus_contracts.states import FinishReason, JobState
from aistratus_daemon.frames import Generate, NewTokens, Tokens
from support.cloud import Cloud, emulated_cloud, states_of, text_of
from support.scripted_engine import ANSWER, ScriptedEngine, job_of, scripted_engine
from support.worker_process import WorkerProcess, running_worker


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with emulated_cloud() as cloud:
        yield cloud


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[ScriptedEngine]:
    with scripted_engine(tmp_path) as engine:
        yield engine


@pytest.fixture
def worker(cloud: Cloud, engine: ScriptedEngine, tmp_path: Path) -> Iterator[WorkerProcess]:
    with running_worker(cloud, engine.socket_path, tmp_path) as worker:
        yield worker
    assert cloud.messages() == (0, 0), "every message was settled"


@pytest.fixture
def half(cloud: Cloud, engine: ScriptedEngine, worker: WorkerProcess) -> tuple[Job, Generate]:
    """A job whose reader has seen ten letters."""
    job = cloud.put_job("the alphabet, please")
    request = engine.next_request()
    engine.say(request, 10)
    cloud.until_event(job, Delta)
    assert text_of(cloud.events(job)) == ANSWER[:10]
    return job, request


def test_a_cancelled_job_stops_within_a_second_and_keeps_what_was_seen(
    cloud: Cloud, engine: ScriptedEngine, half: tuple[Job, Generate]
) -> None:
    job, request = half
    asked_at = time.monotonic()
    cloud.cancel(job)
    assert engine.next_cancel() == job.job_id
    assert time.monotonic() - asked_at < 3
    engine.end(request, FinishReason.CANCELLED)
    cloud.until_end(job)
    assert states_of(cloud.events(job)) == ["queued", "running", "cancelled"]
    answer = cloud.answer(job)
    assert answer is not None
    assert answer.text == text_of(cloud.events(job)) == ANSWER[:10]
    cloud.until_queue_is_empty()


def test_text_that_came_after_the_wish_to_cancel_is_not_shown(
    cloud: Cloud, engine: ScriptedEngine, half: tuple[Job, Generate]
) -> None:
    job, request = half
    cloud.cancel(job)
    engine.say(request, 20, since=10)
    assert engine.next_cancel() == job.job_id
    engine.end(request, FinishReason.CANCELLED)
    cloud.until_end(job)
    assert text_of(cloud.events(job)) == ANSWER[:10]
    assert any(isinstance(event.body, Usage) for event in cloud.events(job))
    cloud.until_queue_is_empty()


def test_sigterm_commits_what_is_there_and_the_next_worker_goes_on_from_it(
    cloud: Cloud, engine: ScriptedEngine, tmp_path: Path
) -> None:
    with running_worker(cloud, engine.socket_path, tmp_path) as first:
        job = cloud.put_job("the alphabet, please")
        request = engine.next_request()
        engine.say(request, 10)
        cloud.until_event(job, Delta)
        told_at = time.monotonic()
        assert first.stop() == 0
        assert time.monotonic() - told_at < 3
    seen = cloud.events(job)
    assert states_of(seen) == ["queued", "running"]
    assert cloud.messages() == (1, 0), "the message is there for the next worker at once"
    with running_worker(cloud, engine.socket_path, tmp_path):
        again = engine.next_request()
        assert again.committed == tuple(range(10))
        engine.finish(again)
        cloud.until_end(job)
        cloud.until_queue_is_empty()
    events = cloud.events(job)
    assert events[: len(seen)] == seen, "what a reader has seen never changes"
    assert text_of(events) == ANSWER
    assert states_of(events) == ["queued", "running", "running", "succeeded"]
    assert events[-1].attempt == 2


def test_sigterm_commits_tokens_that_waited_for_their_commit(
    cloud: Cloud, engine: ScriptedEngine, tmp_path: Path
) -> None:
    with running_worker(cloud, engine.socket_path, tmp_path) as worker:
        job = cloud.put_job("the alphabet, please")
        request = engine.next_request()
        engine.say(request, 3)
        cloud.until_event(job, Delta)
        engine.say(request, 6, since=3)
        assert worker.stop() == 0
    assert text_of(cloud.events(job)) in (ANSWER[:3], ANSWER[:6])
    with running_worker(cloud, engine.socket_path, tmp_path):
        engine.finish(engine.next_request())
        cloud.until_end(job)
        cloud.until_queue_is_empty()
    assert text_of(cloud.events(job)) == ANSWER


def test_an_engine_that_dies_comes_back_and_the_answer_goes_on(
    cloud: Cloud, engine: ScriptedEngine, half: tuple[Job, Generate]
) -> None:
    job, _ = half
    seen = cloud.events(job)
    engine.drop()
    again = engine.next_request()
    assert again.committed == tuple(range(10))
    engine.finish(again)
    cloud.until_end(job)
    events = cloud.events(job)
    assert events[: len(seen)] == seen
    assert text_of(events) == ANSWER
    cloud.until_queue_is_empty()


def test_a_job_that_ends_the_engine_three_times_ends_failed_and_its_conversation_goes_on(
    cloud: Cloud, engine: ScriptedEngine, half: tuple[Job, Generate]
) -> None:
    job, _ = half
    after = cloud.put_job("and now?", conversation_id=job.conversation_id)
    for _ in range(2):
        engine.drop()
        assert job_of(engine.next_request()) == job.job_id
    engine.drop()
    cloud.until_end(job)
    assert states_of(cloud.events(job))[-1] == "failed"
    assert text_of(cloud.events(job)) == ANSWER[:10], "what was seen stays"
    engine.finish(engine.next_request())
    cloud.until_end(after)
    cloud.until_queue_is_empty()


def test_who_was_in_a_dead_engine_together_is_tried_alone_and_nobody_is_failed_for_a_neighbour(
    cloud: Cloud, engine: ScriptedEngine, worker: WorkerProcess
) -> None:
    jobs = [cloud.put_job("the alphabet, please") for _ in range(3)]
    together = [engine.next_request() for _ in jobs]
    for request in together:
        engine.say(request, 3)
    cloud.until_event(jobs[0], Delta)
    engine.drop()
    for _ in jobs:
        alone = engine.next_request()
        assert not engine.is_asked_within(0.3), "nobody else is in the engine"
        engine.say(alone, 24)
        if not engine.is_asked_within(0.3):
            break  # the last one has nobody to make room for
    for _ in range(2):
        engine.finish(engine.next_request())
    engine.finish(alone, since=24)
    cloud.until_end(*jobs)
    for job in jobs:
        assert text_of(cloud.events(job)) == ANSWER
        assert states_of(cloud.events(job))[-1] == "succeeded"
    cloud.until_queue_is_empty()


def test_one_that_ends_every_engine_fails_with_its_reason_in_the_dead_letter_queue(
    cloud: Cloud, engine: ScriptedEngine, worker: WorkerProcess
) -> None:
    cloud.dead_letters()  # what others have left there
    poison, innocent = cloud.put_job("die"), cloud.put_job("the alphabet, please")
    first = [engine.next_request() for _ in range(2)]
    assert {job_of(request) for request in first} == {poison.job_id, innocent.job_id}
    engine.drop()
    deaths = 0
    while cloud.answer(innocent) is None or cloud.answer(poison) is None:
        if not engine.is_asked_within(0.1):
            continue
        request = engine.next_request()
        if job_of(request) == poison.job_id:
            deaths += 1
            engine.drop()
        else:
            engine.finish(request)
    assert deaths == 3, "what it did alone counts, what it did in company does not"
    assert states_of(cloud.events(innocent))[-1] == "succeeded"
    error = next(e.body for e in cloud.events(poison) if isinstance(e.body, JobError))
    assert error.code is JobErrorCode.POISON
    cursor = cloud.cursor(poison)
    assert cursor is not None
    assert cursor.state is JobState.FAILED
    ((body, reason),) = cloud.dead_letters()
    assert decode_queue_message(body).job_id == poison.job_id
    assert "broke down 3 times" in reason
    cloud.until_queue_is_empty()


def test_an_engine_that_dies_again_and_again_does_not_fail_an_answer_that_goes_on(
    cloud: Cloud, engine: ScriptedEngine, worker: WorkerProcess
) -> None:
    job = cloud.put_job("a long one")
    for since in range(0, 100, 20):
        request = engine.next_request()
        assert len(request.committed) == since
        ids = range(since, since + 20)
        engine.send(Tokens((NewTokens(request.job_id, tuple(ids), "x" * len(ids)),)))
        cloud.until_text(job, since + 20)
        engine.drop()
    engine.end(engine.next_request())
    cloud.until_end(job)
    assert states_of(cloud.events(job))[-1] == "succeeded"
    assert text_of(cloud.events(job)) == "x" * 100
    cloud.until_queue_is_empty()


def test_a_worker_that_gets_its_own_message_again_does_not_mix_the_two_answers(
    cloud: Cloud, engine: ScriptedEngine, half: tuple[Job, Generate]
) -> None:
    job, request = half
    cloud.take_over(job)
    engine.say(request, 12, since=10)
    assert engine.next_cancel() == job.job_id
    again = engine.next_request()
    # What the engine still says of the first request is not the second's.
    engine.end(request, FinishReason.CANCELLED)
    engine.say(request, 20, since=12)
    engine.finish(again)
    cloud.until_end(job)
    assert text_of(cloud.events(job)) == ANSWER
    assert states_of(cloud.events(job))[-1] == "succeeded"
    cloud.until_queue_is_empty()


def test_a_worker_that_lost_its_job_writes_nothing_more(
    cloud: Cloud, engine: ScriptedEngine, half: tuple[Job, Generate]
) -> None:
    job, request = half
    cloud.take_over(job)
    seen = cloud.events(job)
    engine.say(request, 20, since=10)
    assert engine.next_cancel() == job.job_id, "the engine need not go on for nothing"
    assert cloud.events(job) == seen
    # Its message went back; taken again, the job is this worker's by the next attempt.
    again = engine.next_request()
    engine.finish(again)
    cloud.until_end(job)
    assert text_of(cloud.events(job)) == ANSWER
    cloud.until_queue_is_empty()


def test_a_job_whose_conversation_was_deleted_is_dropped(
    cloud: Cloud, engine: ScriptedEngine, half: tuple[Job, Generate]
) -> None:
    job, request = half
    cloud.delete(job)
    assert engine.next_cancel() == job.job_id
    engine.end(request, FinishReason.CANCELLED)
    cloud.until_queue_is_empty()
    assert not any(event.ends_job for event in cloud.events(job))


def test_a_worker_that_stood_still_past_its_visibility_timeout_goes_on_where_it_may(
    cloud: Cloud, engine: ScriptedEngine, half: tuple[Job, Generate], worker: WorkerProcess
) -> None:
    job, request = half
    worker.process.send_signal(signal.SIGSTOP)
    cloud.take_over(job)
    worker.process.send_signal(signal.SIGCONT)
    seen = cloud.events(job)
    engine.finish(request, since=10)
    again = engine.next_request()
    assert cloud.events(job)[: len(seen)] == seen
    assert again.committed == tuple(range(10)), "its late tokens were refused at the table"
    engine.finish(again)
    cloud.until_end(job)
    assert text_of(cloud.events(job)) == ANSWER
    cloud.until_queue_is_empty()


def test_more_jobs_than_slots_wait_in_the_queue_not_in_the_worker(
    cloud: Cloud, engine: ScriptedEngine, worker: WorkerProcess
) -> None:
    jobs = [cloud.put_job("the alphabet, please") for _ in range(engine.slots + 2)]
    first = [engine.next_request() for _ in range(engine.slots)]
    assert cloud.messages() == (2, engine.slots)
    for request in first:
        engine.finish(request)
    for _ in range(2):
        engine.finish(engine.next_request())
    cloud.until_end(*jobs)
    cloud.until_queue_is_empty()
