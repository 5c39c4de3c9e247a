"""The worker's loop: one job per free slot, a heartbeat for held messages, a clean drain."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from aistratus_contracts.errors import ContractError, UnknownVersion
from aistratus_contracts.job import Message, Sampling, decode_queue_message
from aistratus_contracts.table import JobRecord
from aistratus_daemon.job_context import UNKNOWN, JobContext, work_on
from aistratus_daemon.worker.conversation import history_bytes, messages_for, next_due
from aistratus_daemon.worker.engine_client import EngineClient
from aistratus_daemon.worker.fair_share import FairShare
from aistratus_daemon.worker.job_log import JobLog, context_of
from aistratus_daemon.worker.job_run import EngineStaysAway, JobRun
from aistratus_daemon.worker.jobs_queue import RECEIVE_WAIT_SECONDS, JobsQueue, Received
from aistratus_daemon.worker.store import AppendRefused, JobStore
from aistratus_daemon.worker.suspects import Suspects

log = logging.getLogger("worker")

# How long to wait before asking an unreachable queue again.
QUEUE_PAUSE_SECONDS: Final = 1.0
# Three beats in a visibility timeout; a failed beat is retried much sooner.
BEATS_PER_VISIBILITY_TIMEOUT: Final = 3
TRIES_PER_BEAT: Final = 5

# After this share of the receives that the queue allows, a message is no longer put back.
PATIENCE_SHARE: Final = 0.5
# For how many conversations to remember how far they have been answered.
REMEMBERED_CONVERSATIONS: Final = 1024

_CLOUD_ERRORS: Final = (BotoCoreError, ClientError)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DueJob:
    """A job to answer, what the model reads, and how many turns that leaves out."""

    record: JobRecord
    sampling: Sampling
    messages: tuple[Message, ...]
    left_out: int


@dataclass
class Consumer:
    """Takes jobs from the queue as long as the engine has room for them."""

    queue: JobsQueue
    store: JobStore
    engine: EngineClient
    suspects: Suspects
    stopping: asyncio.Event
    _held: dict[str, Received] = field(default_factory=dict)
    # A beat in flight must not meet a delete: SQS would call the receipt stale.
    _receipts: asyncio.Lock = field(default_factory=asyncio.Lock)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _share: FairShare = field(init=False)
    # The last turn known to have ended, by conversation; the most recently used comes last.
    _ended_up_to: dict[str, int] = field(default_factory=dict)
    # Types and versions that this release cannot read and has already logged.
    _told_versions: set[tuple[str, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        most = self.queue.max_receives
        self._share = FairShare(None if most is None else int(most * PATIENCE_SHARE))

    def held(self) -> int:
        """How many messages this worker holds now."""
        return len(self._held)

    def running(self) -> int:
        """How many jobs are running now."""
        return len(self._tasks)

    async def run(self) -> None:
        """Work until `stopping`, then commit, give everything back and return."""
        beat = asyncio.create_task(self._beat())
        try:
            while not self.stopping.is_set():
                if await self._until_room():
                    await self._take_one()
        finally:
            await self._drain()
            beat.cancel()

    async def _drain(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _until_room(self) -> bool:
        """Wait for an engine with a free slot; False when it is time to stop."""
        ready = await self._or_stopping(self.engine.ready())
        if ready is None:
            return False
        while len(self._tasks) >= ready.slots:
            any_ends = asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            if await self._or_stopping(any_ends) is None:
                return False
        return True

    async def _or_stopping(self, wanted: Awaitable[T]) -> T | None:
        """The result of `wanted`, or None if `stopping` comes first."""
        task = asyncio.ensure_future(wanted)
        stop = asyncio.create_task(self.stopping.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if task.done():
            return task.result()
        task.cancel()
        return None

    async def _take_one(self) -> None:
        message = await self._receive(RECEIVE_WAIT_SECONDS)
        if message is None:
            return
        found = [message]
        if self.engine.slots - len(self._tasks) <= 1:
            found = await self._share.look(message, lambda: self._receive(0))
        if not self.stopping.is_set():
            chosen = self._share.first_of(found)
            self._begin(chosen)
            found.remove(chosen)
        # When told to stop meanwhile, this is everything received: none of it is begun.
        await self._put_back(found)

    async def _receive(self, wait_seconds: int) -> Received | None:
        """Receive and hold the next message; None if there is none, or it is time to stop."""
        if self.stopping.is_set():
            return None
        receive = asyncio.create_task(asyncio.to_thread(self.queue.receive, wait_seconds))
        stop = asyncio.create_task(self.stopping.wait())
        await asyncio.wait({receive, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if self.stopping.is_set():
            # Running jobs need not wait for the poll to return.
            await self._drain()
        try:
            message = await receive
        except _CLOUD_ERRORS as error:
            log.error("The queue cannot be read (%s); the worker tries again.", error)
            if wait_seconds:
                await self._or_stopping(asyncio.sleep(QUEUE_PAUSE_SECONDS))
            return None
        if message is not None:
            self._held[message.message_id] = message
        return message

    def _begin(self, message: Received) -> None:
        task = asyncio.create_task(self._work(message))
        self._tasks.add(task)
        self._share.began(message)

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._share.ended(message)

        task.add_done_callback(ended)

    async def _put_back(self, messages: list[Received]) -> None:
        if not messages:
            return
        async with self._receipts:
            for message in messages:
                self._drop(message)
            try:
                await asyncio.to_thread(self.queue.release_all, messages)
            except _CLOUD_ERRORS as error:
                # Harmless: they come back when their visibility timeout runs out.
                log.warning("Messages could not be put back: %s", error)

    async def _work(self, message: Received) -> None:
        """See a message through, to its deletion or back to the queue."""
        try:
            await self._answer_due(message)
        except asyncio.CancelledError:
            log.info("Given back to the queue.")
            await self._settle(message, self.queue.release)
            raise
        except AppendRefused as refusal:
            # Another worker has the job and its message, or the job has ended or was deleted.
            log.warning("%s", refusal)
            await self._settle(message, self.queue.release)
        except EngineStaysAway as error:
            log.error("%s Its jobs go back to the queue.", error)
            await self._settle(message, self.queue.release)
        except _CLOUD_ERRORS as error:
            # The job is not lost: its message comes back when its visibility timeout runs out.
            log.error("AWS cannot be reached (%s); the job will be tried again.", error)
            self._drop(message)
        except UnknownVersion as error:
            # A worker of another release can read it, and gets its chance when the visibility
            # timeout runs out; released at once, the message would keep coming back here.
            self._tell_version(error)
            self._drop(message)
        except ContractError as error:
            log.error("A message cannot be read and is set aside: %s", error)
            reason = str(error)
            await self._settle(message, lambda it: self.queue.set_aside(it, reason))
        except Exception:
            # The job is not lost: its message comes back when its visibility timeout runs out,
            # which also keeps a failure from repeating in a tight loop.
            log.exception("The job failed in our own code; it will be tried again.")
            self._drop(message)
        else:
            await self._settle(message, self.queue.delete)

    async def _answer_due(self, message: Received) -> None:
        """Answer the message's job, after any earlier turn of its conversation still open.

        The table orders the turns: a message sent late, or twice, changes nothing.
        """
        wanted = decode_queue_message(message.body).job_id
        work_on(lambda: JobContext(wanted, UNKNOWN, 0))
        asked = await asyncio.to_thread(self.store.load, wanted)
        if asked is None:
            log.info("Received, but deleted.")
            return
        work_on(lambda: context_of(asked))
        log.info("Received, %s.", asked.cursor.state.value)
        if asked.cursor.state.is_final:
            # An earlier turn still open has a message of its own, or will get one.
            return
        conversation_id = asked.job.conversation_id
        while True:
            ended_up_to = self._ended_up_to.pop(conversation_id, 0)
            due = await asyncio.to_thread(self._next_due, asked, ended_up_to)
            if due is None:
                return
            self._remember(conversation_id, due.record.job.turn - 1)
            job_log = JobLog(due.record, self.store)
            work_on(job_log.context)
            await JobRun(
                job_log,
                due.sampling,
                due.messages,
                due.left_out,
                self.engine,
                self.suspects,
                running=self.running,
                given_up=self.queue.set_job_aside,
            ).run()

    def _next_due(self, asked: JobRecord, ended_up_to: int) -> DueJob | None:
        """The first open turn's job, up to the one asked for."""
        room = history_bytes(self.engine.context)
        orphans: set[int] = set()
        ended: set[int] = set()
        while (
            due := next_due(self.store.turns_backwards(asked.job), room, orphans, ended_up_to)
        ) is not None:
            record = self.store.load(due.turn.job_id)
            number = due.turn.turn
            if record is None or number in ended:
                orphans.add(number)
            elif record.cursor.state.is_final:
                # Since the turns were read, the last append of a worker thought dead has ended
                # it. Read them again: the next turn must be answered with that answer in view.
                ended.add(number)
            elif (job := self.store.whole_job(record.job)) is None:
                orphans.add(number)
            else:
                opening = self.store.first_turn(asked.job) if due.left_out else None
                return DueJob(record, job.sampling, messages_for(due, opening), due.left_out)
        return None

    def _remember(self, conversation_id: str, ended_up_to: int) -> None:
        """Remember that the conversation's turns up to `ended_up_to` have all ended."""
        self._ended_up_to[conversation_id] = ended_up_to
        if len(self._ended_up_to) > REMEMBERED_CONVERSATIONS:
            del self._ended_up_to[next(iter(self._ended_up_to))]

    def _tell_version(self, error: UnknownVersion) -> None:
        """Log once, not per message, that there are jobs for workers of another release."""
        version = (error.type_name, error.version)
        if version not in self._told_versions:
            self._told_versions.add(version)
            log.error("%s Such jobs are left to other workers.", error)

    async def _settle(self, message: Received, action: Callable[[Received], None]) -> None:
        """Release, delete or set aside a message; even a drain waits until that is done."""

        async def settle() -> None:
            async with self._receipts:
                self._drop(message)
                try:
                    await asyncio.to_thread(action, message)
                except _CLOUD_ERRORS as error:
                    # Harmless: the message comes again, and the table knows its job's state.
                    log.warning("The job's message could not be deleted or released: %s", error)

        settling = asyncio.create_task(settle())
        try:
            await asyncio.shield(settling)
        except asyncio.CancelledError:
            await asyncio.wait({settling})
            raise

    def _drop(self, message: Received) -> None:
        """Stop holding a message; one received again meanwhile, with a new receipt, stays."""
        if self._held.get(message.message_id) is message:
            del self._held[message.message_id]

    async def _beat(self) -> None:
        """Keep extending the visibility timeout of held messages."""
        period = self.queue.visibility_seconds / BEATS_PER_VISIBILITY_TIMEOUT
        pause = period
        while True:
            await asyncio.sleep(pause)
            pause = period if await self._extend_held() else period / TRIES_PER_BEAT

    async def _extend_held(self) -> bool:
        """Send one heartbeat; returns False if it should be retried soon."""
        async with self._receipts:
            held = list(self._held.values())
            try:
                extended = await asyncio.to_thread(self.queue.extend, held)
            except _CLOUD_ERRORS as error:
                log.warning("A heartbeat failed (%s); the worker tries again soon.", error)
                return False
        for message in extended.lost:
            # The table's fence decides who may write; this is only for the log.
            log.warning("Message %s is no longer this worker's.", message.message_id)
            self._drop(message)
        return not extended.failed
