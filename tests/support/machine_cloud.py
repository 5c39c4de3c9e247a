"""The emulator as a machine's cloud, on the host's end of the cable; and prompts through it.

    python -m support.machine_cloud serve NAME     until the machine ends
    python -m support.machine_cloud ask NAME TEXT [--during SCRIPT]

`ask` puts a job there as the router does, waits for its end and prints what a reader has seen, as
JSON. With `--during` the engine is stopped first, and continues after that script has run in the
machine: the stand-in answers too fast to be caught half-way.
"""

import argparse
import json
import os
import select
import sys

import boto3

from aistratus_contracts.states import JobState
from machine import record, ssh
from support.cloud import Cloud, provisioned, states_of, text_of
from support.emulator_process import running_emulator_process

PORT = 8553
ENGINE = "aistratus-engine.service"


def endpoint(machine: record.Record) -> str:
    return f"http://{machine.host_address}:{PORT}"


def serve(machine: record.Record) -> None:
    """Serve until the machine's systemd-nspawn is gone."""
    assert machine.supervisor is not None
    supervisor = os.pidfd_open(machine.supervisor.pid)
    with running_emulator_process(machine.host_address, PORT) as url:
        provisioned(url)
        sys.stdout.write(f"{url}\n")
        sys.stdout.close()
        select.select([supervisor], [], [])


def connect(machine: record.Record) -> Cloud:
    """The cloud that `serve` has made."""
    url = endpoint(machine)
    session = boto3.Session("test", "test", region_name="eu-central-1")
    sqs = session.client("sqs", endpoint_url=url)
    return Cloud(
        url,
        session.client("dynamodb", endpoint_url=url),
        sqs,
        sqs.get_queue_url(QueueName="jobs.fifo")["QueueUrl"],
        sqs.get_queue_url(QueueName="jobs-dead.fifo")["QueueUrl"],
    )


def ask(machine: record.Record, text: str, during: str) -> dict[str, object]:
    """Ask, and return what came of it."""
    cloud = connect(machine)
    if during:
        ssh.run(machine, f"systemctl kill --signal=STOP {ENGINE}")
    job = cloud.put_job(text, max_tokens=200)
    if during:
        cloud.until_state(job, JobState.RUNNING)
        # An engine that the script has killed is back by then, and not stopped.
        ssh.run(machine, f"{during}\nsystemctl kill --signal=CONT {ENGINE}")
    cloud.until_end(job)
    events = cloud.events(job)
    return {
        "job": job.job_id,
        "conversation": job.conversation_id,
        "text": text_of(events),
        "states": states_of(events),
        "attempts": sorted({event.attempt for event in events}),
        "has_holes": [event.seq for event in events] != list(range(1, len(events) + 1)),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=("serve", "ask"))
    parser.add_argument("name")
    parser.add_argument("text", nargs="?", default="")
    parser.add_argument("--during", default="")
    chosen = parser.parse_args()
    machine = record.find(chosen.name)
    if chosen.command == "serve":
        serve(machine)
    else:
        sys.stdout.write(json.dumps(ask(machine, chosen.text, chosen.during)))


if __name__ == "__main__":
    main()
