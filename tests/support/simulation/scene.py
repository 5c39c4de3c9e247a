"""A fleet of simulated workers and their readers: what can happen to them, and how it must end."""

import logging
from dataclasses import dataclass, field
from typing import Final

from aistratus_contracts import table
from aistratus_contracts.errors import JobErrorCode
from aistratus_contracts.event import Event, JobError, StateChange
from aistratus_contracts.job import (
    Cursor,
    Job,
    Message,
    QueueMessage,
    ResponseFormat,
    Sampling,
    decode_queue_message,
    encode_queue_message,
)
from aistratus_contracts.states import FinishReason, JobState, ResponseFormatType, Role
from aistratus_contracts.table import JobRecord
from support.doubles.dynamodb import Item, Table, Write
from support.doubles.sqs import Queue, Queues
from support.simulation.checker import ROUTER, Checker, JobLog
from support.simulation.cloud import PAGE_ITEMS, Polls
from support.simulation.engine import SimulatedEngine
from support.simulation.loop import Listener
from support.simulation.model import fatal_token
from support.simulation.worker import DEAD, JOBS, Cloud, SimulatedWorker
from support.simulation.world import World

OWNER: Final = "someone"
TABLE: Final = "jobs"
# An engine that dies with one job alone in it has died of that job, as far as anyone can know. So
# no engine is killed from outside while it has a job that has already seen this many such kills.
OUTSIDE_KILLS: Final = 2
FAILURES: Final = 3
# By then all must have ended: messages come back after 30 s, a poisoned engine after 3 s.
STRAGGLER_SECONDS: Final = 20.0
CALM_SECONDS: Final = 600.0
DRAIN_SECONDS: Final = 60.0
# Every other job has it, so that its document lies apart from its cursor.
LONG_FORM: Final = ResponseFormat(
    ResponseFormatType.GRAMMAR, grammar="root ::= [a-z]+ # " + "x" * table.MAX_JOB_BYTES_IN_META
)


class _Scribe(logging.Handler):
    """Makes workers' logs part of the story; an unexpected error is a violation."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.INFO)
        self.world = world

    def emit(self, record: logging.LogRecord) -> None:
        name = self.world.current.name if self.world.current else "nobody"
        self.world.tell(f"{name}: {record.getMessage()}")
        if record.exc_info:
            self.world.violated(f"{name}: {record.getMessage()} {record.exc_info[1]!r}")


@dataclass
class Scene:
    """One run. All randomness comes from `seed`."""

    seed: int
    workers: int = 2
    slots: int = 2
    keeps_tokens: bool = True
    visibility_seconds: int = 30
    jobs: list[Job] = field(default_factory=list)
    unsent: list[Job] = field(default_factory=list)
    prompts: dict[str, tuple[Message, ...]] = field(default_factory=dict)
    _turns: dict[str, int] = field(default_factory=dict)
    _sent: int = 0

    def __post_init__(self) -> None:
        self.world = World(self.seed)
        the_table = Table(
            TABLE, self._monotonic, self.keeps_tokens, PAGE_ITEMS, committed=self._committed
        )
        self.checker = Checker(the_table, self.world.violated)
        queues = Queues(*(Queue(name, self._monotonic) for name in (JOBS, DEAD)))
        polls = Polls(self.world, queues)
        self.cloud = Cloud(self.world, the_table, polls, self.visibility_seconds)
        listeners: dict[str, Listener] = {}
        self.fleet = [
            SimulatedWorker(
                self.cloud,
                SimulatedEngine(self.world, f"engine-{n}", listeners, self.slots),
                f"worker-{n}",
            )
            for n in range(self.workers)
        ]
        self._scribe = _Scribe(self.world)
        self._log = logging.getLogger("worker")
        self._before = self._log.level, self._log.propagate
        self._log.addHandler(self._scribe)
        self._log.setLevel(logging.INFO)
        self._log.propagate = False
        for worker in self.fleet:
            worker.start()

    # --- what readers do ---

    def ask(self, conversation: str, text: str, *, max_tokens: int = 400, send: bool = True) -> Job:
        """Accept a prompt, as the router does."""
        turn = self._turns[conversation] = self._turns.get(conversation, 0) + 1
        now = self.cloud.now()
        job = Job(
            job_id=f"job-{len(self.jobs)}",
            owner=OWNER,
            conversation_id=conversation,
            turn=turn,
            model="simulated",
            sampling=Sampling(
                max_tokens=max_tokens,
                temperature=0.0,
                response_format=LONG_FORM if len(self.jobs) % 2 else None,
            ),
            created_at=now,
            expires_at=table.expiry_of(now),
        )
        self.jobs.append(job)
        messages = self.prompts[job.job_id] = (Message(Role.USER, text),)
        record = JobRecord(job, Cursor(JobState.QUEUED, 0, 2))
        first = Event(1, 0, now, StateChange(JobState.QUEUED))
        items = [
            *table.job_items(record),
            table.event_item(job, first),
            table.prompt_item(job, messages),
        ]
        self.write([table.put_if_absent(TABLE, item) for item in items])
        if send:
            self.send(job)
        else:
            self.unsent.append(job)
        return job

    def send_late(self) -> None:
        """Send what was accepted but not sent, as the steward does."""
        unsent, self.unsent = self.unsent, []
        for job in unsent:
            self.send(job)

    def send(self, job: Job) -> None:
        """Send the job's message, each time one that the queue does not take for a duplicate."""
        self._sent += 1
        body = encode_queue_message(QueueMessage(job.job_id))
        self.cloud.polls.queues.handle(
            "SendMessage",
            {
                "QueueUrl": JOBS,
                "MessageBody": body,
                "MessageGroupId": job.conversation_id,
                "MessageDeduplicationId": f"{self._sent}",
            },
        )

    def cancel(self, job: Job) -> None:
        """Cancel a job, as its reader does."""
        record = self.checker.jobs[job.job_id].record
        if record.cursor.state is JobState.QUEUED:
            end = StateChange(JobState.CANCELLED, FinishReason.CANCELLED)
            made = table.append(TABLE, record, [end], self.cloud.now())
            self.write(made.transact_items)
        elif record.cursor.state is JobState.RUNNING:
            self.write(
                [
                    {
                        "Update": {
                            "TableName": TABLE,
                            "Key": table.meta_key(job.job_id),
                            "UpdateExpression": "SET cancel_requested = :true",
                            "ExpressionAttributeValues": {":true": {"BOOL": True}},
                        }
                    }
                ]
            )

    def write(self, items: list[Item]) -> None:
        """Make a transaction, as the router does."""
        self.cloud.table.handle("TransactWriteItems", {"TransactItems": items}, ROUTER)

    # --- what happens to engines ---

    def kill_engine(self, worker: SimulatedWorker) -> None:
        """Kill the engine, with no prompt to blame."""
        if self._may_hurt(worker):
            worker.engine.kill("SIGKILL")

    def hang_engine(self, worker: SimulatedWorker) -> None:
        """Make the engine hang, with no prompt to blame."""
        if self._may_hurt(worker):
            worker.engine.hang()

    def _may_hurt(self, worker: SimulatedWorker) -> bool:
        return all(self._deaths(job_id) < OUTSIDE_KILLS for job_id in worker.engine.jobs_inside())

    def _deaths(self, job_id: str) -> int:
        """How many engines died with the job in it, though not of it."""
        return sum(worker.engine.outside_kills.get(job_id, 0) for worker in self.fleet)

    # --- how it stands ---

    def log(self, job_id: str) -> JobLog:
        """A job's log."""
        return self.checker.jobs[job_id]

    def busy_workers(self) -> list[SimulatedWorker]:
        """The workers that hold a job not yet ended; all workers, if none does."""
        holders = {log.holder for log in self.checker.jobs.values() if not log.ended}
        busy = [w for w in self.fleet if w.process is not None and w.process.name in holders]
        return busy or self.fleet

    def is_settled(self) -> bool:
        """Whether every job has ended and no message is left."""
        logs = self.checker.jobs.values()
        return all(log.ended for log in logs) and not self.cloud.queues[JOBS].messages

    # --- how it ends ---

    def calm_down(self) -> None:
        """From now on only poison does harm: every job must come to its end."""
        for worker in self.fleet:
            worker.go_on()
            if worker.link is not None:
                worker.link.calm()
        # What is still on its way arrives first.
        self.world.run(STRAGGLER_SECONDS)
        for worker in self.fleet:
            if worker.is_draining:
                self.world.run(DRAIN_SECONDS, lambda worker=worker: worker.process is None)  # type: ignore[misc]
                if worker.process is not None:
                    self.world.violated(f"{worker.name} does not end.")
            worker.start()
        self.send_late()
        if not self.world.run(CALM_SECONDS, self.is_settled):
            open_jobs = [job_id for job_id, log in self.checker.jobs.items() if not log.ended]
            left = [message.body for message in self.cloud.queues[JOBS].messages]
            self.world.violated(f"Not at an end: {open_jobs}; messages left: {left}")
        names = {worker.process.name for worker in self.fleet if worker.process is not None}
        for worker in self.fleet:
            worker.drain()
        gone = self.world.run(
            DRAIN_SECONDS, lambda: all(worker.process is None for worker in self.fleet)
        )
        if not gone:
            self.world.violated("A worker with nothing to do does not end.")
        signs = self.cloud.table.partition(table.FLEET_PARTITION)
        if names & {table.read_worker(item).worker_id for item in signs}:
            self.world.violated("A worker that has drained still gives signs of life.")

    def judge_ends(self) -> None:
        """Check that each job has ended as it deserved, and so has each dead letter."""
        self.checker.judge_table()
        dead = self.cloud.queues[DEAD].messages
        set_aside = {decode_queue_message(message.body).job_id for message in dead}
        for job in self.jobs:
            log, job_id = self.log(job.job_id), job.job_id
            is_poison = fatal_token(self.prompts[job_id]) is not None
            kills = sum(worker.engine.killed_by.get(job_id, 0) for worker in self.fleet)
            kills += self._deaths(job_id)
            state = log.record.cursor.state
            if state is JobState.FAILED:
                codes = [e.body.code for e in log.events if isinstance(e.body, JobError)]
                if not is_poison and kills < FAILURES:
                    self.world.violated(f"{job_id} is innocent, and has failed.")
                elif kills < FAILURES or codes != [JobErrorCode.POISON]:
                    self.world.violated(f"{job_id} failed after {kills} engines: {codes}")
                if job_id not in set_aside:
                    self.world.violated(f"{job_id} failed, and the dead-letter queue lacks it.")
            elif state is JobState.CANCELLED:
                if log.record.cursor.attempt and not log.record.cursor.cancel_requested:
                    self.world.violated(f"{job_id} is cancelled, and nobody wanted that.")
            elif state is JobState.SUCCEEDED and is_poison:
                fatal = fatal_token(self.prompts[job_id])
                if fatal is not None and job.sampling.max_tokens > fatal:
                    self.world.violated(f"{job_id} kills every engine, and has succeeded.")
            if not is_poison and kills < FAILURES and job_id in set_aside:
                self.world.violated(f"{job_id} is innocent, and lies in the dead-letter queue.")

    def close(self) -> None:
        """End all that still lives."""
        for worker in self.fleet:
            worker.kill()
        self._log.removeHandler(self._scribe)
        self._log.setLevel(self._before[0])
        self._log.propagate = self._before[1]

    def _committed(self, by: str, writes: list[Write]) -> None:
        self.checker.committed(by, writes)

    def _monotonic(self) -> float:
        return self.world.now
