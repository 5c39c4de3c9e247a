"""One answer flows; many flow more slowly, so that all together cost no more than is said."""

import statistics
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from aistratus_contracts.event import Delta, Event
from aistratus_contracts.job import Job
from aistratus_daemon.frames import Generate, NewTokens, Tokens
from aistratus_daemon.worker.job_run import (
    COMMIT_SECONDS,
    COMMITS_PER_SECOND,
    MAX_COMMIT_SECONDS,
    commit_seconds,
)
from support.cloud import Cloud, emulated_cloud, text_of
from support.scripted_engine import ScriptedEngine, scripted_engine
from support.worker_process import running_worker

SLOTS = 16
STEP_SECONDS = 0.02


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with emulated_cloud() as cloud:
        yield cloud


@pytest.fixture
def engine(cloud: Cloud, tmp_path: Path) -> Iterator[ScriptedEngine]:
    with (
        scripted_engine(tmp_path, SLOTS) as engine,
        running_worker(cloud, engine.socket_path, tmp_path),
    ):
        yield engine
        cloud.until_queue_is_empty()


def answered(
    cloud: Cloud, engine: ScriptedEngine, jobs: int, seconds: float
) -> tuple[list[Job], float]:
    """So many jobs at once, each with a token every step; how long it took all in all."""
    asked = [cloud.put_job("count, please") for _ in range(jobs)]
    requests: list[Generate] = [engine.next_request() for _ in asked]
    began = time.monotonic()
    for number in range(int(seconds / STEP_SECONDS)):
        items = (NewTokens(request.job_id, (number,), f"{number} ") for request in requests)
        engine.send(Tokens(tuple(items)))
        time.sleep(STEP_SECONDS)  # the engine's own time for a step
    took = time.monotonic() - began
    for request in requests:
        engine.end(request)
    cloud.until_end(*asked)
    return asked, took


def deltas(cloud: Cloud, job: Job) -> list[Event]:
    return [event for event in cloud.events(job) if isinstance(event.body, Delta)]


def gaps(events: list[Event]) -> list[float]:
    # The last one comes with the end, whenever that is.
    return [(b.at - a.at).total_seconds() for a, b in pairwise(events[:-1])]


def test_one_answer_is_committed_at_once_and_then_every_tenth_of_a_second(
    cloud: Cloud, engine: ScriptedEngine
) -> None:
    (job,), _ = answered(cloud, engine, 1, 2.0)
    found = deltas(cloud, job)
    first = found[0].body
    assert isinstance(first, Delta)
    assert first.token_ids == (0,), "the first token waits for no other"
    assert min(gaps(found)) >= COMMIT_SECONDS
    assert statistics.median(gaps(found)) < 2 * COMMIT_SECONDS


def test_a_long_answer_is_committed_less_often_and_never_later_than_is_said() -> None:
    ages = [tenths / 10 for tenths in range(600)]
    paces = [commit_seconds(1, age) for age in ages]
    assert paces == sorted(paces)
    assert (paces[0], commit_seconds(1, 2.0), paces[-1]) == (0.1, 0.1, MAX_COMMIT_SECONDS)
    assert commit_seconds(1, -float("inf")) == COMMIT_SECONDS, "nothing is committed yet"
    assert commit_seconds(16, 60.0) == 16 / COMMITS_PER_SECOND


def test_many_answers_together_are_committed_no_more_often_than_is_said(
    cloud: Cloud, engine: ScriptedEngine
) -> None:
    jobs, took = answered(cloud, engine, SLOTS, 3.0)
    found = [deltas(cloud, job) for job in jobs]
    # Beside the first and the last of each, which wait for nothing.
    assert sum(len(each) - 2 for each in found) <= took * COMMITS_PER_SECOND
    assert all(min(gaps(each)) >= commit_seconds(SLOTS) for each in found)
    assert len({text_of(cloud.events(job)) for job in jobs}) == 1, "nothing is lost by waiting"


def test_the_pace_follows_from_how_many_there_are() -> None:
    assert commit_seconds(1) == commit_seconds(2) == COMMIT_SECONDS
    for running in range(1, 257):
        assert commit_seconds(running) <= commit_seconds(running + 1)
        assert running / commit_seconds(running) <= COMMITS_PER_SECOND + 1e-9
