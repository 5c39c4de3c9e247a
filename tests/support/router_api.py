"""The router over ports that a test controls."""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

import boto3
from botocore.config import Config

from aistratus_contracts import table
from aistratus_contracts.event import EventBody
from aistratus_contracts.job import Job, QueueMessage, encode_queue_message
from aistratus_contracts.models import Catalogue, ModelCard, encode_catalogue
from aistratus_contracts.registry import Parameter
from aistratus_contracts.table import JobRecord
from aistratus_router.api.app import App, build_app
from aistratus_router.ports import CLIENT_CONFIG, Ports
from aistratus_router.registry import Addresses
from aistratus_router.steward.sweep import Sweep
from aistratus_router.store.dead_letters import DeadLetters
from aistratus_router.user_limits import UserLimits
from support.cloud import TABLE, Cloud
from support.doubles.aws import Client
from support.doubles.dynamodb import Item, Key, Table
from support.doubles.sqs import Queue, Queues
from support.emulator_process import running_emulator_process
from support.fake_world import Context, FakeTime, Intercepted, StubRegistry
from support.fleet_group import MemoryGroup, create_group
from support.gateway_events import CLIENT_ID, access_claims, gateway_event

HELLO = {"messages": [{"role": "user", "content": "Hello"}]}
CARDS = (
    ModelCard("small", "Small", 2048, 256, 0.7, "Apache-2.0"),
    ModelCard("large", "Large", 8192, 512, 0.5, "Apache-2.0"),
)
# The router gives up after seconds; the emulator may be busy beside other tests for longer.
PATIENT_CONFIG = CLIENT_CONFIG.merge(Config(read_timeout=60))
_serial = itertools.count()


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def fields(self) -> list[str]:
        return [error["field"] for error in self.json["errors"]]


@dataclass
class Api:
    """The router, and the world around it."""

    app: App
    ports: Ports
    dynamodb: Intercepted
    sqs: Intercepted
    time: FakeTime
    registry: StubRegistry
    table_name: str
    autoscaling: Intercepted
    memory: Table | None = None
    context: Context = field(default_factory=Context)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: dict[str, Any] | str = "",
        owner: str = "ann",
        claims: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        is_base64: bool = False,
    ) -> Reply:
        event = gateway_event(
            method,
            path,
            body,
            query=query,
            claims=access_claims(owner) if claims is None else claims,
            headers=headers,
            is_base64=is_base64,
        )
        answer = self.app(event, cast("Any", self.context))
        return Reply(answer["statusCode"], answer["headers"], answer["body"] or "")

    def infer(self, body: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """Ask, and expect the prompt to be accepted."""
        reply = self.call("POST", "/infer", HELLO if body is None else body, **options)
        assert reply.status == 202, reply.text
        return cast("dict[str, Any]", reply.json)

    def say(self, conversation_id: str, text: str = "And?") -> dict[str, Any]:
        """The next turn of a conversation."""
        messages = [{"role": "user", "content": text}]
        return self.infer({"conversation_id": conversation_id, "messages": messages})

    def sent(self) -> list[str]:
        """The job ids that went out to the queue, in order."""
        return [
            json.loads(call["MessageBody"])["job_id"]
            for name, call in self.sqs.calls
            if name == "send_message"
        ]

    def open_jobs(self) -> list[str]:
        """The jobs on the list of open jobs, the oldest first."""
        return [job_id for job_id, _ in self._entries()]

    def unsent(self) -> list[str]:
        """The open jobs that were never sent, as far as the list knows."""
        return [job_id for job_id, item in self._entries() if "sends" not in item]

    def entry(self, job_id: str) -> dict[str, Any]:
        """A job's entry on the list of open jobs."""
        return dict(self._entries())[job_id]

    def _entries(self) -> list[tuple[str, dict[str, Any]]]:
        found = [item for item in self.items() if item["pk"]["S"] == table.OPEN_PARTITION]
        found.sort(key=lambda item: str(item["stored_at"]["S"]))
        return [(item["sk"]["S"].rpartition("#")[2], item) for item in found]

    def items(self) -> list[dict[str, Any]]:
        """All items in the table."""
        if self.memory is not None:
            return list(self.memory.items.values())
        found = self.dynamodb._client.scan(TableName=self.table_name)["Items"]
        return cast("list[dict[str, Any]]", found)

    @property
    def stored(self) -> dict[Key, Item]:
        """The items of the table in memory, for a test to change behind the router's back."""
        assert self.memory is not None
        return self.memory.items

    def leftovers(self) -> list[dict[str, Any]]:
        """All items but those that hold only a rate of prompts, which say nothing about a user."""
        return [
            item
            for item in self.items()
            if item["sk"]["S"] != "LIMITS" or item["seats"]["S"] != "{}"
        ]

    def seats(self, owner: str = "ann") -> dict[str, tuple[int, str]]:
        """The open jobs in a user's lanes, as the LIMITS item has them."""
        key = table.limits_key(owner)
        item = self.dynamodb._client.get_item(TableName=self.table_name, Key=key).get("Item")
        found = {} if item is None else json.loads(item["seats"]["S"])
        return {job_id: (lane, conversation) for job_id, (lane, conversation) in found.items()}

    def limit(self, **limits: int) -> None:
        """Set the users' limits from now on."""
        self.ports = replace(self.ports, limits=UserLimits(**limits))
        self.app = build_app(self.ports)

    def record(self, job_id: str) -> JobRecord:
        client = self.dynamodb._client
        answer = client.get_item(TableName=self.table_name, Key=table.meta_key(job_id))
        return table.read_meta(answer["Item"])

    def job(self, job_id: str) -> Job:
        """A whole job, as the worker reads it."""
        job = self.record(job_id).job
        if isinstance(job, Job):
            return job
        key = table.document_key(job_id)
        answer = self.dynamodb._client.get_item(TableName=self.table_name, Key=key)
        return table.read_document(answer["Item"])

    def work(self, job_id: str, *bodies: EventBody, take: bool = False, text: str = "") -> None:
        """Do what a worker does: a fenced append."""
        append = table.append(
            self.table_name,
            self.record(job_id),
            bodies,
            self.time.clock(),
            new_attempt=take,
            answer_text=text,
        )
        self.dynamodb._client.transact_write_items(TransactItems=append.transact_items)

    def lose_messages(self) -> list[str]:
        """Lose all messages in the queue, as by retention or by mistake."""
        return [body for body, _ in self.take_messages(self.registry.addresses.queue_url)]

    def take_messages(self, url: str) -> list[tuple[str, str]]:
        """Receive and delete all of a queue's messages; returns the body and group of each."""
        queue, found = self.sqs._client, []
        while batch := queue.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            MessageSystemAttributeNames=["MessageGroupId"],
        ).get("Messages"):
            for message in batch:
                queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                found.append((message["Body"], message["Attributes"]["MessageGroupId"]))
        return found

    def bury(self, job_id: str, *, reason: str = "", body: str = "", group: str = "") -> None:
        """Send a dead letter; with a reason it is the worker's, without one SQS's."""
        text = {"reason": {"DataType": "String", "StringValue": reason}} if reason else {}
        self.sqs._client.send_message(
            QueueUrl=self.registry.addresses.dead_letter_queue_url,
            MessageBody=body or encode_queue_message(QueueMessage(job_id)),
            MessageGroupId=group or f"group-of-{job_id}",
            MessageDeduplicationId=f"letter-{next(_serial)}",
            MessageAttributes=text,
        )

    def dead_letters(self) -> int:
        """How many dead letters are visible in their queue."""
        return DeadLetters(self.sqs._client, self.registry.addresses.dead_letter_queue_url).count()

    def give_fleet(self, group: str) -> None:
        """From now on the router has a fleet whose instances it starts and stops."""
        addresses = self.registry.addresses
        self.registry.addresses = replace(addresses, group_name=group)

    def sign(
        self, *, slots: int = 4, held_jobs: int = 0, seconds_ago: float = 0, refusal: str = ""
    ) -> None:
        """Write a worker's sign of life."""
        seen_at = self.time.clock() - timedelta(seconds=seconds_ago)
        item = table.worker_item(
            table.SignOfLife("i-1", seen_at, slots, held_jobs, refusal=refusal)
        )
        put = {"Put": {"TableName": self.table_name, "Item": item}}
        self.dynamodb._client.transact_write_items(TransactItems=[put])

    def steward(self) -> dict[str, int]:
        return Sweep(self.ports).run()


def memory_api() -> Api:
    """The router over a table and a queue in memory; the group has a name once it has a fleet."""
    time = FakeTime()
    memory, group = Table(TABLE, time.monotonic), MemoryGroup(time.clock)
    urls = "memory://jobs.fifo", "memory://dlq.fifo"
    queues = Queues(*(Queue(url, time.monotonic) for url in urls))
    clients = Client(memory.handle), Client(queues.handle)
    return replace(_api(*clients, urls, TABLE, time, autoscaling=group), memory=memory)


@dataclass
class Emulator:
    """AWS behind HTTP on loopback."""

    endpoint: str
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, name: Any) -> Any:
        if name not in self.clients:
            session = boto3.Session("test", "test", region_name="eu-central-1")
            options: Any = {"endpoint_url": self.endpoint, "config": PATIENT_CONFIG}
            self.clients[name] = session.client(name, **options)
        return self.clients[name]

    def environment(self, registry: str) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": "eu-central-1",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AISTRATUS_REGISTRY": registry,
        }

    def create(self) -> tuple[str, tuple[str, str]]:
        """A fresh table's name, and the addresses of a fresh queue and its dead-letter queue."""
        name = f"jobs-{next(_serial)}"
        self.client("dynamodb").create_table(TableName=name, **table.TABLE_SCHEMA)
        urls = [
            self.client("sqs").create_queue(
                QueueName=f"{queue}.fifo", Attributes={"FifoQueue": "true"}
            )["QueueUrl"]
            for queue in (name, f"{name}-dlq")
        ]
        return name, (urls[0], urls[1])

    def register(
        self, prefix: str, table_name: str, queue_urls: tuple[str, str], group: str = ""
    ) -> None:
        """What `local/` or Terraform writes into the registry."""
        fleet = {Parameter.FLEET_GROUP: group, Parameter.IDLE_TIMEOUT: "900"} if group else {}
        ssm = self.client("ssm")
        for parameter, value in {
            Parameter.TABLE_NAME: table_name,
            Parameter.QUEUE_URL: queue_urls[0],
            Parameter.DEAD_LETTER_QUEUE_URL: queue_urls[1],
            Parameter.CLIENT_ID: CLIENT_ID,
            Parameter.MODELS: encode_catalogue(Catalogue(CARDS)),
            **fleet,
        }.items():
            # Also if a put whose reply came late is sent again.
            ssm.put_parameter(
                Name=parameter.under(prefix), Value=value, Type="String", Overwrite=True
            )

    def create_group(self) -> str:
        """Create a group with no instance, which may have one; returns its name."""
        name = f"group-{next(_serial)}"
        create_group(self.client("autoscaling"), self.client("ec2"), name)
        return name


@contextmanager
def running_emulator() -> Iterator[Emulator]:
    with running_emulator_process() as url:
        yield Emulator(url)


def emulator_api(emulator: Emulator) -> Api:
    """The router over the emulator, with a table and queues of its own."""
    name, urls = emulator.create()
    clients = emulator.client("dynamodb"), emulator.client("sqs")
    group = emulator.client("autoscaling")
    return _api(*clients, urls, name, FakeTime(), autoscaling=group)


def api_over(cloud: Cloud) -> Api:
    """The router over the same cloud as the workers; no fleet."""
    urls = cloud.queue_url, cloud.dead_letter_url
    return _api(cloud.dynamodb, cloud.sqs, urls, TABLE, FakeTime(), autoscaling=None)


def _api(
    dynamodb: Any,
    sqs: Any,
    queue_urls: tuple[str, str],
    table_name: str,
    time: FakeTime,
    *,
    autoscaling: Any,
) -> Api:
    spied_table, spied_queue = Intercepted(dynamodb), Intercepted(sqs)
    spied_group = Intercepted(autoscaling)
    registry = StubRegistry(Addresses(table_name, *queue_urls, CLIENT_ID, Catalogue(CARDS)))
    ports = Ports(
        dynamodb=cast("Any", spied_table),
        sqs=cast("Any", spied_queue),
        registry=registry,
        autoscaling=lambda: cast("Any", spied_group),
        clock=time.clock,
        monotonic=time.monotonic,
        sleep=time.sleep,
    )
    app = build_app(ports)
    return Api(app, ports, spied_table, spied_queue, time, registry, table_name, spied_group)
