"""One user's prompts by the hundred, and another's one: a real worker, a real queue."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from aistratus_contracts import limits
from aistratus_contracts.job import Job
from aistratus_contracts.lanes import message_group
from aistratus_daemon.worker.jobs_queue import JobsQueue
from support.cloud import Cloud, emulated_cloud, states_of
from support.scripted_engine import job_of, scripted_engine
from support.worker_process import running_worker

LANES = limits.LANES_PER_USER


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with emulated_cloud() as cloud:
        yield cloud


@pytest.fixture
def queue(cloud: Cloud) -> JobsQueue:
    return JobsQueue.connect(cloud.sqs, cloud.sqs, cloud.queue_url, cloud.dead_letter_url)


def flood(cloud: Cloud, count: int) -> list[tuple[int, Job]]:
    """So many prompts of one user, in all its lanes."""
    lanes = [number % LANES for number in range(count)]
    return [(lane, cloud.put_job("me first", owner="loud", lane=lane)) for lane in lanes]


@pytest.mark.parametrize("slots", [1, 2])
def test_a_quiet_user_waits_for_one_job_of_a_loud_one_and_no_more(
    cloud: Cloud, tmp_path: Path, slots: int
) -> None:
    loud = flood(cloud, 2 * LANES)
    with (
        scripted_engine(tmp_path, slots) as engine,
        running_worker(cloud, engine.socket_path, tmp_path),
    ):
        running = [engine.next_request() for _ in range(slots)]
        quiet = cloud.put_job("a word, please", owner="quiet", lane=3)
        engine.finish(running.pop())
        running.append(engine.next_request())
        assert job_of(running[-1]) == quiet.job_id
        order = [job_of(request) for request in running]
        while running:
            engine.finish(running.pop(0))
            # A lane's last messages come when those before them have ended.
            while len(order) < 2 * LANES and (not running or engine.is_asked_within(0.5)):
                running.append(engine.next_request())
                order.append(job_of(running[-1]))
        cloud.until_end(quiet, *(job for _, job in loud))
        cloud.until_queue_is_empty()
    assert all(states_of(cloud.events(job))[-1] == "succeeded" for _, job in loud)
    asked, by_lane = defaultdict(list), defaultdict(list)
    lane_of = {job.job_id: lane for lane, job in loud}
    for job_id in order:
        if job_id in lane_of:
            asked[lane_of[job_id]].append(job_id)
    for lane, job in loud:
        by_lane[lane].append(job.job_id)
    for lane in range(LANES):
        assert asked[lane] == by_lane[lane][-len(asked[lane]) :], "a lane keeps its order"


def test_a_worker_that_must_go_while_it_looks_gives_back_all_that_it_holds(
    cloud: Cloud, tmp_path: Path
) -> None:
    loud = flood(cloud, 2 * LANES)
    with (
        scripted_engine(tmp_path, 1) as engine,
        running_worker(cloud, engine.socket_path, tmp_path) as worker,
    ):
        engine.finish(engine.next_request())
        assert worker.stop() == 0
    left = [job for _, job in loud if cloud.answer(job) is None]
    assert cloud.messages() == (len(left), 0)
    next_folder = tmp_path / "next"
    next_folder.mkdir()
    with (
        scripted_engine(next_folder, LANES) as engine,
        running_worker(cloud, engine.socket_path, tmp_path),
    ):
        for _ in left:
            engine.finish(engine.next_request())
        cloud.until_queue_is_empty()


def test_what_is_put_back_keeps_its_place_and_its_count(cloud: Cloud, queue: JobsQueue) -> None:
    for number in range(3):
        for lane in range(12):
            cloud.sqs.send_message(
                QueueUrl=cloud.queue_url,
                MessageBody=f"{number}",
                MessageGroupId=message_group("x", lane),
                MessageDeduplicationId=f"place-{lane}-{number}",
            )
    for again in range(3):
        held = []
        while (message := queue.receive(0)) is not None:
            held.append(message)
        assert len(held) == 12, "no second message of a lane while one is held"
        assert {message.body for message in held} == {"0"}
        assert {message.receives for message in held} == {again + 1}
        queue.release_all(held)


def test_the_queue_says_how_often_it_gives_out_a_message(cloud: Cloud, queue: JobsQueue) -> None:
    assert queue.max_receives is None
    arn = cloud.sqs.get_queue_attributes(
        QueueUrl=cloud.dead_letter_url, AttributeNames=["QueueArn"]
    )["Attributes"]["QueueArn"]
    policy = {"deadLetterTargetArn": arn, "maxReceiveCount": 1000}
    cloud.sqs.set_queue_attributes(
        QueueUrl=cloud.queue_url, Attributes={"RedrivePolicy": json.dumps(policy)}
    )
    again = JobsQueue.connect(cloud.sqs, cloud.sqs, cloud.queue_url, cloud.dead_letter_url)
    assert again.max_receives == 1000
