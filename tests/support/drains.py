"""How long a drain takes: from when a worker knows that it must go until others can receive."""

import signal
import time
from datetime import datetime
from pathlib import Path

from aistratus_contracts.event import Delta
from aistratus_local.endings import Ending
from aistratus_local.imds import ImdsServer
from support.cloud import Cloud
from support.scripted_engine import ScriptedEngine
from support.worker_process import WorkerProcess, running_worker

# Issue 4: SIGTERM or notice to messages receivable by others, p99.
DRAIN_BAR_SECONDS = 2.0
PATIENCE_SECONDS = 30.0


def measure_drain(
    cloud: Cloud,
    engine: ScriptedEngine,
    imds: ImdsServer,
    folder: Path,
    *,
    ending: Ending | None = None,
    free_slots: int = 0,
) -> float:
    """Seconds until another consumer has received all that a worker held.

    With a free slot, the worker's own poll is under way too when it must go. Time counts from
    SIGTERM or, for a sign in the metadata, from when the worker sees it: how soon it looks depends
    on its polling alone. Afterwards the messages are gone, unanswered.
    """
    imds.instance.replace()
    with running_worker(cloud, engine.socket_path, folder, imds_url=imds.url) as worker:
        jobs = [cloud.put_job("the alphabet, please") for _ in range(engine.slots - free_slots)]
        requests = [engine.next_request() for _ in jobs]
        for request in requests:
            engine.say(request, 10)
        for job in jobs:
            cloud.until_event(job, Delta)
        for request in requests:  # something that waits for its commit
            engine.say(request, 12, since=10)
        if ending is None:
            knows_at = time.time()
            worker.process.send_signal(signal.SIGTERM)
        else:
            imds.instance.end(ending)
        _receive(cloud, len(jobs))
        received_at = time.time()
        assert worker.process.wait(PATIENCE_SECONDS) == 0
        if ending is not None:
            knows_at = _saw_sign_at(worker)
    return received_at - knows_at


def _receive(cloud: Cloud, wanted: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    found = 0
    while found < wanted:
        assert time.monotonic() < deadline, "the messages did not come back"
        answer = cloud.sqs.receive_message(
            QueueUrl=cloud.queue_url, WaitTimeSeconds=10, MaxNumberOfMessages=10
        )
        for message in answer.get("Messages", []):
            found += 1
            cloud.sqs.delete_message(
                QueueUrl=cloud.queue_url, ReceiptHandle=message["ReceiptHandle"]
            )


def _saw_sign_at(worker: WorkerProcess) -> float:
    """When the worker saw the sign, by this machine's clock, which is the worker's too."""
    [line] = [line for line in worker.log() if line["message"].endswith("Draining.")]
    return datetime.fromisoformat(line["time"]).timestamp()
