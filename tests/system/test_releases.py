"""Router, worker and app of different releases, as they are while a deployment is under way.

The router is real, over the emulator; the worker is a real process; only the engine is scripted.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aistratus_contracts.errors import NoticeCode
from aistratus_contracts.event import Delta, Event, Notice, StateChange, UnknownBody
from aistratus_desktop.gateway.replies import read_events
from aistratus_desktop.state.bubble import awaited
from support.cloud import Cloud, emulated_cloud
from support.next_release import next_release
from support.next_worker import NEW_CODE, NEW_SENTENCE, VERSION_VARIABLE
from support.router_api import Api, api_over
from support.scripted_engine import ANSWER, ScriptedEngine, scripted_engine
from support.worker_process import WorkerProcess, running_worker

PATIENCE_SECONDS = 60.0
# So that what a worker leaves is soon another's.
VISIBILITY_SECONDS = 2
MAX_RECEIVES = 1000
OWNERS = ("ann", "bob", "cyd")


@dataclass
class Fleet:
    """Workers of any release, each with an engine, over one table and its queues."""

    cloud: Cloud
    folder: Path
    ends: ExitStack

    def start(self, name: str, **options: str) -> tuple[WorkerProcess, ScriptedEngine]:
        folder = self.folder / name
        folder.mkdir()
        engine = self.ends.enter_context(scripted_engine(folder))
        running = running_worker(self.cloud, engine.socket_path, folder, **options)
        return self.ends.enter_context(running), engine

    def start_next(self, name: str, version: int = 1) -> tuple[WorkerProcess, ScriptedEngine]:
        """A worker of the release after this one."""
        more = {VERSION_VARIABLE: str(version), "PYTHONPATH": ":".join(sys.path)}
        return self.start(name, module="support.next_worker", **more)


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with emulated_cloud() as cloud:
        dead = cloud.sqs.get_queue_attributes(
            QueueUrl=cloud.dead_letter_url, AttributeNames=["QueueArn"]
        )
        arn = dead["Attributes"]["QueueArn"]
        policy = {"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES}
        cloud.sqs.set_queue_attributes(
            QueueUrl=cloud.queue_url,
            Attributes={
                "VisibilityTimeout": str(VISIBILITY_SECONDS),
                "RedrivePolicy": json.dumps(policy),
            },
        )
        yield cloud


@pytest.fixture
def api(cloud: Cloud) -> Api:
    return api_over(cloud)


@pytest.fixture
def fleet(cloud: Cloud, tmp_path: Path) -> Iterator[Fleet]:
    with ExitStack() as ends:
        yield Fleet(cloud, tmp_path, ends)


@contextmanager
def nothing_is_lost(cloud: Cloud) -> Iterator[None]:
    """At the end of the block every message has been seen through, and none was set aside."""
    yield
    until(lambda: cloud.messages() == (0, 0))
    assert cloud.messages(cloud.dead_letter_url) == (0, 0)


def test_a_router_that_says_more_finds_its_jobs_answered(
    api: Api, cloud: Cloud, fleet: Fleet
) -> None:
    with nothing_is_lost(cloud), next_release():
        worker, engine = fleet.start("this")
        jobs = [api.infer()]
        engine.finish(engine.next_request())
        until_succeeded(api, jobs[0])
        jobs.append(api.say(jobs[0]["conversation_id"]))
        engine.finish(engine.next_request())
        until_succeeded(api, jobs[1])

        seen = [api.call("GET", f"/jobs/{job['job_id']}").json["text"] for job in jobs]
    assert seen == [ANSWER, ANSWER]
    assert complaints_of(worker) == []


def test_jobs_of_another_version_wait_for_a_worker_that_can_read_it(
    api: Api, cloud: Cloud, fleet: Fleet
) -> None:
    with nothing_is_lost(cloud):
        older, engine = fleet.start("this")
        with next_release(version=2):
            ahead = [api.infer(owner=owner) for owner in OWNERS]
        began = time.monotonic()
        until(lambda: complaints_of(older) != [])
        # The older worker goes on with what it can read.
        plain = api.infer(owner="dan")
        engine.finish(engine.next_request())
        until_succeeded(api, plain, "dan")
        until(lambda: sum(cloud.messages()) == len(ahead))
        older.stop()
        until(lambda: cloud.messages() == (len(ahead), 0))
        rounds = (time.monotonic() - began) / VISIBILITY_SECONDS
        assert max(receives(cloud)) <= rounds + 2

        _, next_engine = fleet.start_next("next", version=2)
        for _ in ahead:
            next_engine.finish(next_engine.next_request())
        with next_release(version=2):
            for owner, job in zip(OWNERS, ahead, strict=True):
                until_succeeded(api, job, owner)
    (said,) = complaints_of(older)
    assert said.startswith("This QueueMessage has version 2, which this release cannot read;")
    assert said.endswith("Such jobs are left to other workers.")


def test_what_a_newer_worker_says_reaches_an_older_app_through_an_older_router(
    api: Api, cloud: Cloud, fleet: Fleet
) -> None:
    with nothing_is_lost(cloud):
        _, engine = fleet.start_next("next")
        job = api.infer()
        engine.finish(engine.next_request())
        until_succeeded(api, job)

    view = api.call("GET", f"/jobs/{job['job_id']}").json
    assert view["text"] == ANSWER
    assert view["notices"] == [{"code": "other", "message": NEW_SENTENCE}]
    page = api.call("GET", f"/jobs/{job['job_id']}/events").json
    # The router passes on what it does not know itself: a newer app may.
    assert {"url": "https://example.org"}.items() <= page["events"][2]["citation"].items()
    assert page["events"][3]["notice"]["code"] == NEW_CODE
    assert page["done"] is True
    assert_app_understands(page)


def test_an_answer_that_a_newer_worker_began_an_older_one_can_go_on_with(
    api: Api, cloud: Cloud, fleet: Fleet
) -> None:
    with nothing_is_lost(cloud):
        newer, engine = fleet.start_next("next")
        job = api.infer()
        engine.say(engine.next_request(), 10)
        until(lambda: api.call("GET", f"/jobs/{job['job_id']}").json["text"] == ANSWER[:10])
        newer.stop()

        _, engine = fleet.start("this")
        engine.finish(engine.next_request())
        until_succeeded(api, job)
    assert api.call("GET", f"/jobs/{job['job_id']}").json["text"] == ANSWER
    assert_app_understands(api.call("GET", f"/jobs/{job['job_id']}/events").json)


def assert_app_understands(page: dict[str, Any]) -> None:
    """The app shows a whole answer and the new notice's sentence, and misses no event."""
    events = read_events(page).events
    bubble = awaited()
    for event in events:
        bubble.take(event)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert (bubble.text, bubble.notices) == (ANSWER, [NEW_SENTENCE])
    assert not bubble.is_open
    assert kinds(events) >= {UnknownBody, Notice, Delta, StateChange}
    notices = [event.body.code for event in events if isinstance(event.body, Notice)]
    assert notices == [NoticeCode.OTHER]


def kinds(events: tuple[Event, ...]) -> set[type]:
    return {type(event.body) for event in events}


def until_succeeded(api: Api, job: dict[str, Any], owner: str = "ann") -> None:
    path = f"/jobs/{job['job_id']}"
    until(lambda: api.call("GET", path, owner=owner).json["state"] == "succeeded")


def complaints_of(worker: WorkerProcess) -> list[str]:
    """What the worker's log says of documents that it cannot read."""
    words = "this release cannot read", "set aside"
    said = [line["message"] for line in worker.log() if line["level"] == "error"]
    return [sentence for sentence in said if any(word in sentence for word in words)]


def receives(cloud: Cloud) -> list[int]:
    """How often the queue has given out each message that lies there, this time included."""
    found = cloud.sqs.receive_message(
        QueueUrl=cloud.queue_url,
        MaxNumberOfMessages=10,
        VisibilityTimeout=0,
        MessageSystemAttributeNames=["ApproximateReceiveCount"],
    )["Messages"]
    return [int(each["Attributes"]["ApproximateReceiveCount"]) for each in found]


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
