"""What happens to a deployment in its life, made to happen: each step calls AWS in ways of its own.

Time passes by making older what is written in the table; nothing else is pretended.
"""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aistratus_contracts import codec, table
from aistratus_contracts.registry import Parameter
from aistratus_local.endings import Ending
from support.deployed_system import DeployedSystem
from support.system import Person, text_of

LONG_QUESTION: Final = "Tell me about the whole journey of a prompt"
JOBS: Final = 12
PATIENCE_SECONDS: Final = 60.0
AN_HOUR: Final = timedelta(hours=1)


class Life:
    """One deployment, and a person who uses it."""

    def __init__(self, system: DeployedSystem, person: Person) -> None:
        self.system = system
        self.person = person
        self._aws = system.deployment.aws
        self._table = system.outputs["table_name"]
        prefix = system.outputs["registry_prefix"]
        dead_letters = Parameter.DEAD_LETTER_QUEUE_URL.under(prefix)
        self._dead_letter_url = self._aws("ssm").get_parameter(Name=dead_letters)["Parameter"][
            "Value"
        ]

    # --- the fleet ------------------------------------------------------------------------

    def a_prompt_wakes_the_fleet(self) -> None:
        """Off, a prompt, on; and many more prompts change nothing about that."""
        assert self.person.http.post("/stop").status_code == 202
        assert self.desired() == 0
        jobs = [self.person.ask("What is Aistratus?")["job_id"] for _ in range(3)]
        assert self.desired() == 1
        for job in jobs:
            assert self._ends_well(job)
        # Of the worker one knows by its signs of life.
        self._until(lambda: self._fleet()["state"] == "running")

    def an_idle_fleet_is_turned_off(self) -> None:
        """By the steward, when the timeout that a person has set is over."""
        changed = self.person.http.put("/fleet", json={"idle_timeout_seconds": 120})
        assert changed.json()["idle_timeout_seconds"] == 120
        self.system.run_steward()
        assert self.desired() == 1
        self._make_older(table.group_key(), "changed_at", "active_at")
        assert self.system.run_steward()["fleet_stopped"] == 1
        assert self.desired() == 0

    def without_spot_one_is_bought(self) -> None:
        """Spot has none; the steward buys on demand, and Spot again the next time."""
        self.system.capacity.is_spot_out = True
        started = self.person.http.post("/start")
        assert started.json()["state"] == "requested", started.text
        assert self.system.run_steward()["fleet_on_demand"] == 1
        assert self._fleet()["purchase"] == "on-demand"
        self.system.capacity.is_spot_out = False
        self.person.http.post("/stop")
        self.system.run_steward()
        assert self.system.capacity.on_demand_base == 0

    def an_instance_is_taken_away(self) -> None:
        """In the middle of answers, which the next one finishes."""
        # More than a worker answers at a time: whenever it looks, it is busy.
        jobs = [self.person.ask(LONG_QUESTION)["job_id"] for _ in range(JOBS)]
        before = self.system.capacity.drained
        self.system.imds.instance.end(Ending.TERMINATION)
        with ThreadPoolExecutor(1) as pool:
            replaced = pool.submit(self._replace_worker)
            while not replaced.done():
                assert self._ends_well(jobs.pop(0))
                jobs.append(self.person.ask(LONG_QUESTION)["job_id"])
            replaced.result()
        assert self.system.capacity.drained == before + 1
        ends = [self.person.follow(job)[-1] for job in jobs]
        assert {end["state"]["state"] for end in ends} == {"succeeded"}
        assert 2 in {end["attempt"] for end in ends}, "some were interrupted"

    def _replace_worker(self) -> None:
        """As Auto Scaling does it, once the old one has drained."""
        assert self.system.await_worker() == 0
        self.system.start_worker()

    # --- jobs -----------------------------------------------------------------------------

    def answers_are_stopped_and_conversations_deleted(self) -> None:
        """What a person does with what they do not want."""
        accepted = self.person.ask(LONG_QUESTION)
        self.person.until_text(accepted["job_id"])
        self.person.http.post(f"/jobs/{accepted['job_id']}/cancel")
        assert self._last_state(accepted["job_id"]) == "cancelled"
        assert self.person.http.get("/conversations").status_code == 200
        path = f"/conversations/{accepted['conversation_id']}"
        assert self.person.http.get(path).status_code == 200
        assert self.person.http.delete(path).status_code == 204

    def nobody_can_read_a_message(self) -> None:
        """The worker sets it aside; the steward looks at it, and leaves it to a person."""
        queue = self._aws("sqs")
        queue.send_message(
            QueueUrl=self.system.outputs["queue_url"],
            MessageBody="This is no job.",
            MessageGroupId="somebody's",
            MessageDeduplicationId=str(time.time_ns()),
        )
        self._until(lambda: self._letters() == 1)
        assert self.system.run_steward()["dead"] == 1
        queue.purge_queue(QueueUrl=self._dead_letter_url)

    def a_message_is_moved_by_sqs(self) -> None:
        """One that was received too often; the steward puts it back once."""
        self.system.stop_worker()
        job = self.person.ask("What is Aistratus?")["job_id"]
        queue, url = self._aws("sqs"), self.system.outputs["queue_url"]
        [message] = queue.receive_message(
            QueueUrl=url, WaitTimeSeconds=5, MessageSystemAttributeNames=["MessageGroupId"]
        )["Messages"]
        assert json.loads(message["Body"])["job_id"] == job
        queue.send_message(
            QueueUrl=self._dead_letter_url,
            MessageBody=message["Body"],
            MessageGroupId=message["Attributes"]["MessageGroupId"],
            MessageDeduplicationId=message["MessageId"],
        )
        queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        assert self.system.run_steward()["put_back"] == 1
        self.system.start_worker()
        assert self._ends_well(job)

    def a_job_is_lost_while_it_should_stop(self) -> None:
        """Its worker is gone without a word; the steward ends it with the text that was seen."""
        job = self.person.ask(LONG_QUESTION)["job_id"]
        self.person.until_text(job)
        self.system.kill_worker()
        self.person.http.post(f"/jobs/{job}/cancel")
        [entry] = [key for key in self._open_jobs() if key[table.SORT_KEY]["S"].endswith(job)]
        self._make_older(entry, "cancel_asked_at")
        assert self.system.run_steward()["cancelled"] == 1
        events = self.person.follow(job)
        assert events[-1]["state"]["state"] == "cancelled"
        assert text_of(events)
        self.system.start_worker()

    # --- looking and waiting --------------------------------------------------------------

    def desired(self) -> int:
        """How many instances are wanted."""
        [group] = self._aws("autoscaling").describe_auto_scaling_groups(
            AutoScalingGroupNames=[self.system.outputs["group_name"]]
        )["AutoScalingGroups"]
        return int(group["DesiredCapacity"])

    def _fleet(self) -> dict[str, Any]:
        answer = self.person.http.get("/fleet")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def _ends_well(self, job_id: str) -> bool:
        return self._last_state(job_id) == "succeeded"

    def _last_state(self, job_id: str) -> str:
        return str(self.person.follow(job_id)[-1]["state"]["state"])

    def _letters(self) -> int:
        name = "ApproximateNumberOfMessages"
        answer = self._aws("sqs").get_queue_attributes(
            QueueUrl=self._dead_letter_url, AttributeNames=[name]
        )
        return int(answer["Attributes"][name])

    def _open_jobs(self) -> list[Any]:
        answer = self._aws("dynamodb").query(
            TableName=self._table,
            KeyConditionExpression="pk = :open",
            ExpressionAttributeValues={":open": {"S": table.OPEN_PARTITION}},
            ProjectionExpression="pk, sk",
        )
        return list(answer["Items"])

    def _make_older(self, key: Any, *times: str) -> None:
        """As if an hour had passed since then."""
        then = codec.format_time(datetime.now(UTC) - AN_HOUR)
        self._aws("dynamodb").update_item(
            TableName=self._table,
            Key=key,
            UpdateExpression="SET " + ", ".join(f"{name} = :then" for name in times),
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeValues={":then": {"S": then}},
        )

    def _until(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            assert time.monotonic() < deadline, self.system.worker_log()
            time.sleep(0.05)
