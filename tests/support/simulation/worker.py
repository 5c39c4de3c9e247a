"""A worker process: the daemon's own parts, put together as its `main` does."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from aistratus_daemon.worker.consumer import Consumer
from aistratus_daemon.worker.engine_client import EngineClient
from aistratus_daemon.worker.heartbeat import Heartbeat
from aistratus_daemon.worker.jobs_queue import JobsQueue
from aistratus_daemon.worker.store import JobStore
from aistratus_daemon.worker.suspects import Suspects
from support.doubles.dynamodb import Table
from support.doubles.sqs import Queue
from support.simulation.cloud import Polls, dynamodb_client, sqs_client
from support.simulation.engine import SimulatedEngine
from support.simulation.loop import SimulatedLoop
from support.simulation.network import Fault, Link, Sdk
from support.simulation.world import Process, World

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
EXIT_CHECK_SECONDS: Final = 0.05
JOBS: Final = "jobs.fifo"
DEAD: Final = "jobs-dead.fifo"


@dataclass
class Cloud:
    """What all workers share."""

    world: World
    table: Table
    polls: Polls
    visibility_seconds: int

    @property
    def queues(self) -> dict[str, Queue]:
        """The queues, by address."""
        return self.polls.queues.by_url

    def now(self) -> datetime:
        """The wall clock."""
        return EPOCH + timedelta(seconds=self.world.now)


@dataclass
class SimulatedWorker:
    """One instance: an engine that stays, and one worker process after the other."""

    cloud: Cloud
    engine: SimulatedEngine
    name: str
    process: Process | None = None
    link: Link | None = None
    is_draining: bool = False
    # Of the process that lives now.
    consumer: Consumer | None = None
    client: EngineClient | None = None
    _lives: int = 0
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: SimulatedLoop | None = None

    def start(self) -> None:
        """Start the process, if there is none."""
        if self.process is not None:
            return
        self._lives += 1
        world = self.cloud.world
        self.process = Process(world, f"{self.name}.{self._lives}")
        self.link = Link(self.process)
        self._stopping = asyncio.Event()
        self.is_draining = False
        # The loop lacks what a worker does not use: that would raise `NotImplementedError`.
        self._loop = SimulatedLoop(  # type: ignore[abstract]
            self.process, self.engine.listeners
        )
        world.tell(f"{self.process.name}: starts")
        task = self._loop.create_task(self._serve(self.link))
        task.add_done_callback(self._ended)

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None and self._loop is not None:
            self.cloud.world.tell(f"{self.process.name}: is killed")
            process, loop = self.process, self._loop
            self.process = self.link = self._loop = None
            process.kill()
            loop.bury()

    def drain(self) -> None:
        """SIGTERM."""
        if self.process is not None:
            self.cloud.world.tell(f"{self.process.name}: is to drain")
            self.is_draining = True
            self.cloud.world.after(0.0, self._stopping.set, self.process)

    def stop(self) -> None:
        """SIGSTOP."""
        if self.process is not None:
            self.cloud.world.tell(f"{self.process.name}: is stopped")
            self.process.stop()

    def go_on(self) -> None:
        """SIGCONT."""
        if self.process is not None and self.process.is_stopped:
            self.cloud.world.tell(f"{self.process.name}: goes on")
            self.process.go_on()

    def disturb(self, service: str, fault: Fault, times: int) -> None:
        """Let its next `times` requests to a service meet a fault."""
        if self.link is not None:
            self.link.planned[service].extend([fault] * times)

    def storm(self, service: str, rate: float, seconds: float) -> None:
        """For that long, each of its requests to a service may meet a fault."""
        if self.link is not None:
            self.cloud.world.tell(f"{self.name}: {service} is bad for {seconds} s ({rate})")
            self.link.storms[service] = (rate, self.cloud.world.now + seconds)

    async def _serve(self, link: Link) -> None:
        sqs = sqs_client(Sdk(link, "sqs", 10.0, 5), self.cloud.polls)
        beats = sqs_client(Sdk(link, "sqs", 3.0, 1), self.cloud.polls)
        dynamodb = dynamodb_client(Sdk(link, "dynamodb", 10.0, 5), self.cloud.table)
        queue = JobsQueue(
            cast("SQSClient", sqs),
            cast("SQSClient", beats),
            JOBS,
            DEAD,
            self.cloud.visibility_seconds,
        )
        store = JobStore(
            cast("DynamoDBClient", dynamodb),
            self.cloud.table.name,
            clock=self.cloud.now,
            sleep=link.process.sleep,
        )
        suspects = Suspects()
        engine = EngineClient(Path(self.engine.path), lambda _: None, suspects.engine_lost)
        consumer = Consumer(queue, store, engine, suspects, self._stopping)
        self.consumer, self.client = consumer, engine
        drained = asyncio.Event()
        heartbeat = Heartbeat(store, engine, link.process.name, consumer.held)
        signs_of_life = asyncio.create_task(heartbeat.run(drained))
        connection = asyncio.create_task(engine.run())
        await consumer.run()
        drained.set()
        await signs_of_life
        connection.cancel()
        await asyncio.wait({connection})

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """The process ended by itself; a killed one is no longer this worker's."""
        if self.process is None or self._loop is not task.get_loop():
            return
        world, process = self.cloud.world, self.process
        if task.cancelled() or task.exception() is not None or not self._stopping.is_set():
            world.violated(f"{process.name} ended by itself: {task!r}")
        world.tell(f"{process.name}: ends")
        # Not in the middle of a turn of its own loop. Leftover tasks are cancelled first, as
        # `asyncio.run` does, and a process with threads ends with its last thread.
        world.after(0.0, lambda: self._leave(process))

    def _leave(self, process: Process) -> None:
        if self.process is not process or self._loop is None:
            return
        self._loop.bury()
        if process.has_threads:
            self.cloud.world.after(EXIT_CHECK_SECONDS, lambda: self._leave(process))
            return
        self.process = self.link = self._loop = None
        process.kill()
