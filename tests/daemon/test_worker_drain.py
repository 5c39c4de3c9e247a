"""An instance that will be taken away gives its work back first, whoever takes it away.

The engine is scripted; the metadata service is the local system's, which is as strict as EC2's.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import boto3
import pytest

from aistratus_contracts.event import Delta
from aistratus_contracts.job import Job
from aistratus_contracts.registry import Parameter
from aistratus_local.endings import Ending
from aistratus_local.imds import ImdsServer
from support.auto_scaling import GROUP, HOOK, AutoScalingStub, running_auto_scaling
from support.cloud import PREFIX, Cloud, emulated_cloud, states_of, text_of
from support.drains import DRAIN_BAR_SECONDS, measure_drain
from support.imds_server import running_imds
from support.scripted_engine import ANSWER, ScriptedEngine, scripted_engine
from support.worker_process import WorkerProcess, running_worker

# One poll, and what a busy machine takes for the rest.
PATIENCE_SECONDS = 20.0
SENTENCES = {
    Ending.SPOT: "EC2 takes this Spot instance back",
    Ending.REBALANCE: "EC2 recommends to leave this Spot instance",
    Ending.TERMINATION: "Auto Scaling terminates this instance",
}


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with emulated_cloud() as cloud:
        yield cloud


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[ScriptedEngine]:
    with scripted_engine(tmp_path) as engine:
        yield engine


@pytest.fixture
def imds() -> Iterator[ImdsServer]:
    with running_imds() as server:
        yield server


@pytest.fixture
def fleet(cloud: Cloud) -> Iterator[AutoScalingStub]:
    """A group with a termination hook, as the registry names it."""
    ssm = boto3.client(
        "ssm",
        endpoint_url=cloud.endpoint,
        region_name="eu-central-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    names = {Parameter.FLEET_GROUP: GROUP, Parameter.TERMINATION_HOOK: HOOK}
    for parameter, value in names.items():
        ssm.put_parameter(Name=parameter.under(PREFIX), Value=value, Type="String")
    with running_auto_scaling() as stub:
        yield stub
    ssm.delete_parameters(Names=[parameter.under(PREFIX) for parameter in names])


def half_answered(cloud: Cloud, engine: ScriptedEngine) -> Job:
    """A job whose reader has seen ten letters."""
    job = cloud.put_job("the alphabet, please")
    engine.say(engine.next_request(), 10)
    cloud.until_event(job, Delta)
    return job


def goes_on(cloud: Cloud, engine: ScriptedEngine, job: Job, folder: Path, imds: ImdsServer) -> None:
    """The next instance's worker has the job, and its reader sees nothing change."""
    seen = cloud.events(job)
    imds.instance.replace()
    with running_worker(cloud, engine.socket_path, folder, imds_url=imds.url):
        again = engine.next_request()
        assert again.committed == tuple(range(10))
        engine.finish(again)
        cloud.until_end(job)
        cloud.until_queue_is_empty()
    events = cloud.events(job)
    assert events[: len(seen)] == seen
    assert text_of(events) == ANSWER
    assert states_of(events) == ["queued", "running", "running", "succeeded"]


def messages_of(worker: WorkerProcess) -> list[str]:
    return [line["message"] for line in worker.log()]


@pytest.mark.parametrize("ending", list(Ending))
def test_each_sign_of_the_end_drains_the_worker_and_auto_scaling_hears_of_it(
    cloud: Cloud,
    engine: ScriptedEngine,
    imds: ImdsServer,
    fleet: AutoScalingStub,
    tmp_path: Path,
    *,
    ending: Ending,
) -> None:
    instance_id = imds.instance.item("instance-id")
    assert instance_id
    fleet.look = cloud.messages
    if ending is Ending.TERMINATION:
        fleet.waiting.add(instance_id)
    with running_worker(
        cloud,
        engine.socket_path,
        tmp_path,
        imds_url=imds.url,
        AWS_ENDPOINT_URL_AUTO_SCALING=fleet.url,
    ) as worker:
        job = half_answered(cloud, engine)
        imds.instance.end(ending)
        assert worker.process.wait(PATIENCE_SECONDS) == 0
    assert cloud.messages() == (1, 0), "the message is there for the next worker at once"
    assert [line for line in messages_of(worker) if line.startswith(SENTENCES[ending])]
    assert fleet.asked == [
        {
            "Action": "CompleteLifecycleAction",
            "Version": "2011-01-01",
            "LifecycleHookName": HOOK,
            "AutoScalingGroupName": GROUP,
            "LifecycleActionResult": "CONTINUE",
            "InstanceId": instance_id,
        }
    ]
    assert fleet.seen == [(1, 0)], "not before others can have the message"
    assert fleet.waiting == set()
    # After a Spot notice or a recommendation, Auto Scaling does not wait for the instance yet.
    heard = "Auto Scaling knows that this instance has drained."
    waits = "No termination hook waits for this instance"
    expected = heard if ending is Ending.TERMINATION else waits
    [line] = [line for line in worker.log() if line["message"].startswith(expected)]
    assert line["level"] == "info"
    goes_on(cloud, engine, job, tmp_path, imds)


def test_a_worker_on_an_instance_that_ends_takes_nothing(
    cloud: Cloud, engine: ScriptedEngine, imds: ImdsServer, tmp_path: Path
) -> None:
    imds.instance.end(Ending.SPOT)
    cloud.put_job("the alphabet, please")
    with running_worker(cloud, engine.socket_path, tmp_path, imds_url=imds.url) as worker:
        assert worker.process.wait(PATIENCE_SECONDS) == 0
    answer = cloud.sqs.receive_message(
        QueueUrl=cloud.queue_url, MessageSystemAttributeNames=["ApproximateReceiveCount"]
    )
    [message] = answer["Messages"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    cloud.sqs.delete_message(QueueUrl=cloud.queue_url, ReceiptHandle=message["ReceiptHandle"])


def test_what_is_held_is_with_others_within_two_seconds(
    cloud: Cloud, engine: ScriptedEngine, imds: ImdsServer, tmp_path: Path
) -> None:
    for ending, free_slots in ((None, 0), (None, 1), (Ending.SPOT, 1)):
        seconds = measure_drain(cloud, engine, imds, tmp_path, ending=ending, free_slots=free_slots)
        assert seconds < DRAIN_BAR_SECONDS, (ending, free_slots)


def test_a_hook_that_cannot_be_completed_keeps_nobody(
    cloud: Cloud, engine: ScriptedEngine, imds: ImdsServer, fleet: AutoScalingStub, tmp_path: Path
) -> None:
    fleet.is_forbidden = True
    imds.instance.end(Ending.TERMINATION)
    with running_worker(
        cloud,
        engine.socket_path,
        tmp_path,
        imds_url=imds.url,
        AWS_ENDPOINT_URL_AUTO_SCALING=fleet.url,
    ) as worker:
        assert worker.process.wait(PATIENCE_SECONDS) == 0
    sentence = "Auto Scaling could not be told that this instance has drained"
    [line] = [line for line in worker.log() if line["message"].startswith(sentence)]
    assert line["level"] == "warning"
    assert len(fleet.asked) == 1


def test_sigterm_completes_no_hook(
    cloud: Cloud, engine: ScriptedEngine, imds: ImdsServer, fleet: AutoScalingStub, tmp_path: Path
) -> None:
    with running_worker(
        cloud,
        engine.socket_path,
        tmp_path,
        imds_url=imds.url,
        AWS_ENDPOINT_URL_AUTO_SCALING=fleet.url,
    ) as worker:
        job = half_answered(cloud, engine)
        assert worker.stop() == 0
    assert fleet.asked == []
    goes_on(cloud, engine, job, tmp_path, imds)


def test_a_metadata_service_that_fails_is_a_line_in_the_log(
    cloud: Cloud, engine: ScriptedEngine, tmp_path: Path
) -> None:
    with socket.socket() as silent, ExitStack() as held:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        silent.settimeout(PATIENCE_SECONDS)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with running_worker(cloud, engine.socket_path, tmp_path, imds_url=url) as worker:
            for _ in range(2):  # it looks again, and is never answered
                held.enter_context(silent.accept()[0])
            job = cloud.put_job("the alphabet, please")
            engine.finish(engine.next_request())
            cloud.until_end(job)
            cloud.until_queue_is_empty()
            assert worker.stop() == 0
    said = [line for line in messages_of(worker) if line.startswith("The metadata service")]
    assert len(said) == 1, "once is enough"


def test_off_ec2_nobody_asks(cloud: Cloud, engine: ScriptedEngine, tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        more = {
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{listener.getsockname()[1]}"
        }
        with running_worker(cloud, engine.socket_path, tmp_path, **more) as worker:
            job = cloud.put_job("the alphabet, please")
            engine.finish(engine.next_request())
            cloud.until_end(job)
            cloud.until_queue_is_empty()
            assert worker.stop() == 0
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_systemd_hears_that_the_worker_drains_and_may_take_its_time(
    cloud: Cloud, engine: ScriptedEngine, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(PATIENCE_SECONDS)
        more = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000"}
        with running_worker(cloud, engine.socket_path, tmp_path, **more) as worker:
            heard = {systemd.recv(4096).decode() for _ in range(4)}
            assert heard == {"READY=1", "WATCHDOG=1"}
            assert worker.stop() == 0
        systemd.setblocking(False)
        last = [systemd.recv(4096).decode()]
        while last[-1] == "WATCHDOG=1":
            last.append(systemd.recv(4096).decode())
    assert last[-1].splitlines()[0] == "STOPPING=1"
    assert last[-1].splitlines()[1].startswith("EXTEND_TIMEOUT_USEC=")
