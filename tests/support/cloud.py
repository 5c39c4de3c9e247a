"""The emulator with a table and queues, and jobs put there as the router puts them."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import boto3

from aistratus_contracts import table
from aistratus_contracts.event import Delta, Event, StateChange
from aistratus_contracts.job import (
    Cursor,
    Job,
    JobHead,
    Message,
    QueueMessage,
    ResponseFormat,
    Sampling,
    encode_queue_message,
    new_conversation_id,
    new_job_id,
)
from aistratus_contracts.lanes import message_group
from aistratus_contracts.limits import VISIBILITY_TIMEOUT_SECONDS
from aistratus_contracts.registry import Parameter
from aistratus_contracts.states import JobState, Role
from support.emulator_process import running_emulator_process

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

TABLE = "jobs"
PREFIX = "/aistratus/test"
OWNER = "someone"
PATIENCE_SECONDS = 60.0


@dataclass
class Cloud:
    """What one environment has in AWS."""

    endpoint: str
    dynamodb: "DynamoDBClient"
    sqs: "SQSClient"
    queue_url: str
    dead_letter_url: str
    turns: dict[str, int] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": "eu-central-1",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AISTRATUS_REGISTRY": PREFIX,
        }

    def put_job(
        self,
        text: str,
        *,
        conversation_id: str | None = None,
        max_tokens: int = 400,
        cancel_requested: bool = False,
        send: bool = True,
        owner: str = OWNER,
        lane: int | None = None,
        response_format: ResponseFormat | None = None,
    ) -> Job:
        """Store a job with its turn, and tell the queue.

        Without a lane the message's group is its conversation's, so to the worker each conversation
        is a user of its own.
        """
        conversation_id = conversation_id or new_conversation_id()
        turn = self.turns[conversation_id] = self.turns.get(conversation_id, 0) + 1
        now = datetime.now(UTC)
        job = Job(
            job_id=new_job_id(),
            owner=owner,
            conversation_id=conversation_id,
            turn=turn,
            model="aistratus-standin",
            sampling=Sampling(
                max_tokens=max_tokens, temperature=0.0, response_format=response_format
            ),
            created_at=now,
            expires_at=table.expiry_of(now),
        )
        cursor = Cursor(JobState.QUEUED, 0, 2, cancel_requested)
        first = Event(1, 0, now, StateChange(JobState.QUEUED))
        for item in (
            *table.job_items(table.JobRecord(job, cursor)),
            table.event_item(job, first),
            table.prompt_item(job, (Message(Role.USER, text),)),
        ):
            self.dynamodb.put_item(TableName=TABLE, Item=item)
        if send:
            self.send(job, lane=lane)
        return job

    def send(self, job: Job, *, again: str = "", lane: int | None = None) -> None:
        self.sqs.send_message(
            QueueUrl=self.queue_url,
            MessageBody=encode_queue_message(QueueMessage(job.job_id)),
            MessageGroupId=(
                job.conversation_id if lane is None else message_group(job.owner, lane)
            ),
            MessageDeduplicationId=job.job_id + again,
        )

    def cursor(self, job: JobHead) -> Cursor | None:
        answer = self.dynamodb.get_item(TableName=TABLE, Key=table.meta_key(job.job_id))
        return table.read_meta(answer["Item"]).cursor if "Item" in answer else None

    def events(self, job: JobHead) -> list[Event]:
        answer = self.dynamodb.query(
            TableName=TABLE,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :ev)",
            ExpressionAttributeValues={
                ":pk": {"S": table.job_partition(job.job_id)},
                ":ev": {"S": table.EVENT_PREFIX},
            },
        )
        return [table.read_event(item) for item in answer["Items"]]

    def answer(self, job: JobHead) -> table.Answer | None:
        answer = self.dynamodb.query(
            TableName=TABLE,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :turns)",
            ExpressionAttributeValues={
                ":pk": {"S": table.user_partition(job.owner)},
                ":turns": {"S": table.turns_prefix(job.conversation_id)},
            },
        )
        turns = table.read_turns(answer["Items"])
        return next(turn.answer for turn in turns if turn.job_id == job.job_id)

    def signs_of_life(self) -> list[table.SignOfLife]:
        """What the fleet's workers say about themselves."""
        answer = self.dynamodb.query(
            TableName=TABLE,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :worker)",
            ExpressionAttributeValues={
                ":pk": {"S": table.FLEET_PARTITION},
                ":worker": {"S": table.WORKER_PREFIX},
            },
        )
        return [table.read_worker(item) for item in answer["Items"]]

    def cancel(self, job: JobHead) -> None:
        self.dynamodb.update_item(
            TableName=TABLE,
            Key=table.meta_key(job.job_id),
            UpdateExpression="SET cancel_requested = :true",
            ExpressionAttributeValues={":true": {"BOOL": True}},
        )

    def take_over(self, job: JobHead) -> None:
        """Another worker takes the job, as after a visibility timeout."""
        answer = self.dynamodb.get_item(TableName=TABLE, Key=table.meta_key(job.job_id))
        made = table.append(
            TABLE,
            table.read_meta(answer["Item"]),
            [StateChange(JobState.RUNNING)],
            datetime.now(UTC),
            new_attempt=True,
        )
        self.dynamodb.transact_write_items(TransactItems=cast("Any", made.transact_items))

    def delete(self, job: JobHead) -> None:
        self.dynamodb.delete_item(TableName=TABLE, Key=table.meta_key(job.job_id))

    def until_event(self, job: Job, kind: type) -> None:
        self._until(lambda: any(isinstance(e.body, kind) for e in self.events(job)))

    def until_state(self, job: Job, state: JobState) -> None:
        self._until(lambda: state.value in states_of(self.events(job)))

    def until_text(self, job: Job, length: int) -> None:
        self._until(lambda: len(text_of(self.events(job))) >= length)

    def dead_letters(self) -> list[tuple[str, str]]:
        """Take all dead letters out of their queue; returns each one's body and reason."""
        found = []
        while messages := self.sqs.receive_message(
            QueueUrl=self.dead_letter_url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["reason"],
        ).get("Messages"):
            for message in messages:
                reason = message["MessageAttributes"]["reason"]["StringValue"]
                found.append((message["Body"], reason))
                self.sqs.delete_message(
                    QueueUrl=self.dead_letter_url, ReceiptHandle=message["ReceiptHandle"]
                )
        return found

    def until_end(self, *jobs: Job) -> None:
        for job in jobs:
            self._until(lambda job=job: any(e.ends_job for e in self.events(job)))

    def until_queue_is_empty(self) -> None:
        self._until(lambda: self.messages() == (0, 0))

    def until_sign_of_life(
        self, worker_id: str, is_so: Callable[[table.SignOfLife], bool] = lambda _: True
    ) -> table.SignOfLife:
        found: list[table.SignOfLife] = []

        def is_there() -> bool:
            signs = self.signs_of_life()
            found[:] = [sign for sign in signs if sign.worker_id == worker_id and is_so(sign)]
            return bool(found)

        self._until(is_there)
        return found[0]

    def messages(self, url: str | None = None) -> tuple[int, int]:
        """How many messages are visible, and how many are in flight."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sqs.get_queue_attributes(
            QueueUrl=url or self.queue_url,
            AttributeNames=names,  # type: ignore[arg-type]
        )
        visible, held = (int(answer["Attributes"][name]) for name in names)  # type: ignore[index]
        return visible, held

    def _until(self, is_so: object) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so():  # type: ignore[operator]
            assert time.monotonic() < deadline, "it did not come to pass"
            time.sleep(0.02)


def text_of(events: list[Event]) -> str:
    """The answer as a reader puts it together."""
    return "".join(event.body.text for event in events if isinstance(event.body, Delta))


def states_of(events: list[Event]) -> list[str]:
    """The states that a reader has seen."""
    return [event.body.state.value for event in events if isinstance(event.body, StateChange)]


@contextmanager
def emulated_cloud() -> Iterator[Cloud]:
    """An emulator of its own, with everything that a worker needs."""
    with running_emulator_process() as endpoint:
        yield provisioned(endpoint)


def provisioned(endpoint: str) -> Cloud:
    """A table, queues and their ids in the registry, as a worker needs them."""
    session = boto3.Session("test", "test", region_name="eu-central-1")
    dynamodb = session.client("dynamodb", endpoint_url=endpoint)
    sqs = session.client("sqs", endpoint_url=endpoint)
    ssm = session.client("ssm", endpoint_url=endpoint)
    dynamodb.create_table(TableName=TABLE, **table.TABLE_SCHEMA)
    urls = [
        sqs.create_queue(
            QueueName=name,
            Attributes={
                "FifoQueue": "true",
                "VisibilityTimeout": str(VISIBILITY_TIMEOUT_SECONDS),
            },
        )["QueueUrl"]
        for name in ("jobs.fifo", "jobs-dead.fifo")
    ]
    for parameter, value in (
        (Parameter.QUEUE_URL, urls[0]),
        (Parameter.DEAD_LETTER_QUEUE_URL, urls[1]),
        (Parameter.TABLE_NAME, TABLE),
    ):
        ssm.put_parameter(Name=parameter.under(PREFIX), Value=value, Type="String", Overwrite=True)
    return Cloud(endpoint, dynamodb, sqs, urls[0], urls[1])
