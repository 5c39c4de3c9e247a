"""The worker as its users meet it: real processes, the emulator over HTTP, a real model."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aistratus_contracts.event import Delta, JobError, Usage
from aistratus_contracts.job import new_conversation_id
from support.cloud import PREFIX, Cloud, emulated_cloud, states_of, text_of
from support.engine_process import EngineProcess
from support.worker_process import WorkerProcess, running_worker

QUESTION = "What is Aistratus?"
LONG_QUESTION = "Tell me about the whole journey of a prompt."


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with emulated_cloud() as cloud:
        yield cloud


@pytest.fixture(scope="class")
def worker(
    cloud: Cloud, engine: EngineProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WorkerProcess]:
    with running_worker(cloud, engine.socket_path, tmp_path_factory.mktemp("worker")) as worker:
        yield worker


@pytest.mark.usefixtures("worker")
class TestOneWorker:
    """What one worker does that nothing disturbs."""

    def test_a_job_ends_with_its_whole_log(self, cloud: Cloud) -> None:
        job = cloud.put_job(QUESTION)
        cloud.until_end(job)
        events = cloud.events(job)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert states_of(events) == ["queued", "running", "succeeded"]
        assert [event.attempt for event in events] == [0] + [1] * (len(events) - 1)
        assert isinstance(events[-2].body, Usage)
        assert events[-1].ends_job
        answer = cloud.answer(job)
        assert answer is not None
        assert answer.text == text_of(events)
        assert "Aistratus" in answer.text
        cloud.until_queue_is_empty()

    def test_the_text_is_the_text_of_the_committed_tokens(self, cloud: Cloud) -> None:
        job = cloud.put_job(LONG_QUESTION)
        cloud.until_end(job)
        deltas = [e.body for e in cloud.events(job) if isinstance(e.body, Delta)]
        (usage,) = (e.body for e in cloud.events(job) if isinstance(e.body, Usage))
        assert sum(len(delta.token_ids) for delta in deltas) == usage.completion_tokens

    def test_a_follow_up_reads_the_turn_before_it(self, cloud: Cloud) -> None:
        first = cloud.put_job(QUESTION)
        second = cloud.put_job("Hello", conversation_id=first.conversation_id)
        cloud.until_end(first, second)
        (usage,) = (e.body for e in cloud.events(second) if isinstance(e.body, Usage))
        assert usage.cached_tokens > 0
        assert cloud.events(first)[-1].at < cloud.events(second)[1].at

    def test_many_conversations_run_side_by_side(self, cloud: Cloud) -> None:
        jobs = [cloud.put_job(LONG_QUESTION) for _ in range(8)]
        cloud.until_end(*jobs)
        assert len({text_of(cloud.events(job)) for job in jobs}) == 1

    def test_a_turn_whose_message_was_never_sent_is_answered_before_the_next(
        self, cloud: Cloud
    ) -> None:
        unsent = cloud.put_job(QUESTION, send=False)
        sent = cloud.put_job("Hello", conversation_id=unsent.conversation_id)
        cloud.until_end(unsent, sent)
        assert cloud.events(unsent)[-1].at <= cloud.events(sent)[1].at
        cloud.send(unsent)
        cloud.until_queue_is_empty()
        assert states_of(cloud.events(unsent)) == ["queued", "running", "succeeded"]

    def test_a_message_that_comes_twice_changes_nothing(self, cloud: Cloud) -> None:
        job = cloud.put_job(QUESTION)
        cloud.until_end(job)
        before = cloud.events(job)
        cloud.send(job, again="-again")
        cloud.until_queue_is_empty()
        assert cloud.events(job) == before

    def test_a_job_cancelled_before_it_ran_never_runs(self, cloud: Cloud) -> None:
        job = cloud.put_job(LONG_QUESTION, cancel_requested=True)
        cloud.until_end(job)
        assert states_of(cloud.events(job)) == ["queued", "cancelled"]

    def test_a_prompt_that_cannot_be_answered_ends_failed_with_a_sentence(
        self, cloud: Cloud
    ) -> None:
        job = cloud.put_job("word " * 4000)
        after = cloud.put_job(QUESTION, conversation_id=job.conversation_id)
        cloud.until_end(job, after)
        assert states_of(cloud.events(job)) == ["queued", "running", "failed"]
        (error,) = (e.body for e in cloud.events(job) if isinstance(e.body, JobError))
        assert "shorten it" in error.message
        assert states_of(cloud.events(after))[-1] == "succeeded"

    def test_a_message_that_nobody_can_read_is_set_aside_with_the_reason(
        self, cloud: Cloud
    ) -> None:
        group = new_conversation_id()
        cloud.sqs.send_message(
            QueueUrl=cloud.queue_url,
            MessageBody='{"v":1,"job":"x"}',
            MessageGroupId=group,
            MessageDeduplicationId="unreadable",
        )
        cloud.until_queue_is_empty()
        (dead,) = cloud.sqs.receive_message(
            QueueUrl=cloud.dead_letter_url, MessageAttributeNames=["All"]
        )["Messages"]
        assert dead["Body"] == '{"v":1,"job":"x"}'
        assert "'job_id'" in dead["MessageAttributes"]["reason"]["StringValue"]

    def test_prompts_and_answers_are_not_in_the_log(
        self, cloud: Cloud, worker: WorkerProcess
    ) -> None:
        cloud.until_end(cloud.put_job("heliotrope"))
        assert "heliotrope" not in worker.log_file.read_text()

    def test_the_log_shows_a_jobs_way_with_its_conversation_and_attempt(
        self, cloud: Cloud, worker: WorkerProcess
    ) -> None:
        job = cloud.put_job(QUESTION)
        cloud.until_end(job)
        cloud.until_queue_is_empty()
        lines = [line for line in worker.log() if line.get("JOB") == job.job_id]
        assert [(line["ATTEMPT"], line["message"]) for line in lines] == [
            (0, "Received, queued."),
            (1, "Taken over at token 0."),
            (1, "Generating."),
            (1, "Ended succeeded."),
        ]
        assert {line["CONVERSATION"] for line in lines} == {job.conversation_id}
        about_jobs = [line.keys() & {"JOB", "CONVERSATION", "ATTEMPT"} for line in worker.log()]
        assert all(len(fields) in (0, 3) for fields in about_jobs)


def test_a_worker_without_an_engine_stops_when_told(cloud: Cloud, tmp_path: Path) -> None:
    with running_worker(cloud, tmp_path / "nowhere.sock", tmp_path) as worker:
        while "Started." not in worker.log_file.read_text():
            assert worker.process.poll() is None
        assert worker.stop() == 0


def refusal(environment: dict[str, str]) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, "-m", "aistratus_daemon.worker"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return ended.returncode, ended.stderr


def test_missing_ids_are_named(cloud: Cloud) -> None:
    code, said = refusal(
        {
            **cloud.environment(),
            "AISTRATUS_REGISTRY": "/aistratus/nowhere",
            "AISTRATUS_ENGINE_SOCKET": "x",
        }
    )
    assert code == 2
    assert "/aistratus/nowhere/jobs/queue_url" in said
    assert "Traceback" not in said


def test_a_missing_setting_is_named(cloud: Cloud) -> None:
    code, said = refusal({**cloud.environment(), "AISTRATUS_ENGINE_SOCKET": ""})
    assert code == 2
    assert "AISTRATUS_ENGINE_SOCKET is not set" in said


def test_an_aws_that_cannot_be_reached_is_one_sentence(cloud: Cloud) -> None:
    code, said = refusal(
        {
            **cloud.environment(),
            "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
            "AISTRATUS_REGISTRY": PREFIX,
            "AISTRATUS_ENGINE_SOCKET": "x",
        }
    )
    assert code == 4
    assert "AWS cannot be reached" in said
    assert "Traceback" not in said
