"""One job, from the moment a worker takes it to its last event.

Tokens come in from the engine, collect for a moment and are committed with a fenced append. Only
what is committed counts: a job that is taken up again goes on from there.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from aistratus_contracts.errors import JobErrorCode
from aistratus_contracts.event import Delta, Event, EventBody, JobError, Notice, StateChange, Usage
from aistratus_contracts.job import Message
from aistratus_contracts.limits import MAX_ANSWER_BYTES
from aistratus_contracts.states import FinishReason, JobState
from aistratus_contracts.table import JobRecord
from aistratus_daemon.frames import Done, Failed, Generate, JobNotice, NewTokens
from aistratus_daemon.worker.engine_client import EngineClient, EngineLost, JobStream
from aistratus_daemon.worker.store import CancelRequested, JobStore

log = logging.getLogger("worker")

# The first token is committed at once, then what came together in this time: a reader sees it
# flow, and an answer of 30 s costs 300 writes rather than a thousand.
COMMIT_SECONDS: Final = 0.1
# All answers of a worker together. A commit takes four write units (two items, in a transaction),
# so these come to 0.18 USD an hour at 0.625 USD a million; 16 answers with ten commits a second
# each would come to 1.44, more than the GPU that computes them. On one machine, every commit is
# time that the engine lacks.
COMMITS_PER_SECOND: Final = 20
# While no token comes (a long prompt), this often the table is asked whether to stop.
CANCEL_CHECK_SECONDS: Final = 1.0
MAX_ENGINE_LOSSES: Final = 3


def commit_seconds(running: int) -> float:
    """How long an answer's tokens collect when so many answers are under way."""
    return max(COMMIT_SECONDS, running / COMMITS_PER_SECOND)


@dataclass
class Progress:
    """How far an answer has come: what is committed, and what waits for its commit."""

    text: str = ""
    token_ids: list[int] = field(default_factory=list)
    has_notice: bool = False
    new_text: str = ""
    new_ids: list[int] = field(default_factory=list)

    @classmethod
    def from_events(cls, events: Sequence[Event]) -> "Progress":
        """What earlier attempts have committed."""
        progress = cls()
        for event in events:
            if isinstance(event.body, Delta):
                progress.text += event.body.text
                progress.token_ids += event.body.token_ids
            elif isinstance(event.body, Notice):
                progress.has_notice = True
        return progress

    def add(self, tokens: NewTokens) -> None:
        """Tokens that are not committed yet."""
        self.new_text += tokens.text
        self.new_ids += tokens.token_ids

    def pending(self) -> list[EventBody]:
        """The event that commits what is new, if anything is."""
        if not self.new_ids and not self.new_text:
            return []
        return [Delta(self.new_text, tuple(self.new_ids))]

    def commit(self) -> None:
        """What was new is in the table now."""
        self.text += self.new_text
        self.token_ids += self.new_ids
        self.discard()

    def discard(self) -> None:
        """What was new was not written, and will not be."""
        self.new_text, self.new_ids = "", []


@dataclass
class JobRun:
    """A job in this worker's hands. Raises `AppendRefused` when it is not ours any more.

    `running` says how many there are now, with this one.
    """

    record: JobRecord
    messages: tuple[Message, ...]
    left_out: int
    store: JobStore
    engine: EngineClient
    running: Callable[[], int]
    progress: Progress = field(default_factory=Progress)
    _committed_at: float = -float("inf")
    _is_cancelled: bool = False
    _is_too_long: bool = False

    async def run(self) -> None:
        """Answer the job; returns once its final state is in the table."""
        if self.record.cursor.attempt > 0:
            events = await asyncio.to_thread(self.store.events, self.record.job.job_id)
            self.progress = Progress.from_events(events)
        for _ in range(MAX_ENGINE_LOSSES):
            if self.record.cursor.cancel_requested or self._is_cancelled:
                await self._end(JobState.CANCELLED, FinishReason.CANCELLED, [])
                return
            await self._append([StateChange(JobState.RUNNING)], new_attempt=True)
            try:
                await self._answer()
            except EngineLost as error:
                log.warning("%s", error, extra={"JOB": self.record.job.job_id})
                self.progress.discard()
                await self.engine.ready()
            else:
                return
        sentence = f"The engine broke down {MAX_ENGINE_LOSSES} times over this prompt; rephrase it."
        await self._end(JobState.FAILED, None, [JobError(JobErrorCode.POISON, sentence)])

    async def _answer(self) -> None:
        job = self.record.job
        stream = await self.engine.open(
            Generate(
                job_id=job.job_id,
                cache_key=f"{job.owner}/{job.conversation_id}",
                messages=self.messages,
                sampling=job.sampling,
                committed=tuple(self.progress.token_ids),
                left_out=self.left_out,
            )
        )
        has_ended = False
        try:
            while not has_ended:
                has_ended = await self._take_frame(stream)
        except asyncio.CancelledError:
            # The worker drains: what is generated is kept, the rest is for the next attempt.
            await self._commit()
            raise
        finally:
            stream.close()
            if not has_ended:
                await self._stop(stream)

    async def _take_frame(self, stream: JobStream) -> bool:
        """Act on one frame, or on none having come; returns whether the job has ended."""
        match await stream.next(self._patience()):
            case None if self.progress.pending():
                await self._commit_or_stop(stream)
            case None:
                await self._check_cancel(stream)
            case NewTokens() as tokens:
                self.progress.add(tokens)
                if self._patience() <= 0:
                    await self._commit_or_stop(stream)
            case JobNotice(_, notice):
                if not self.progress.has_notice:
                    await self._append([notice])
                    self.progress.has_notice = True
            case Done(_, reason, usage):
                await self._end_done(reason, usage)
                return True
            case Failed(_, code, message):
                await self._end(JobState.FAILED, None, [JobError(code, message)])
                return True
        return False

    def _patience(self) -> float:
        """How long to wait for the next frame, in seconds."""
        if not self.progress.pending():
            return CANCEL_CHECK_SECONDS
        due = self._committed_at + commit_seconds(self.running())
        return max(0.0, due - time.monotonic())

    async def _commit_or_stop(self, stream: JobStream) -> None:
        """Commit what is new; where the reader wants no more, tell the engine."""
        if self._is_cancelled or self._is_too_long:
            self.progress.discard()
            return
        try:
            await self._commit()
        except CancelRequested:
            await self._cancel(stream)
        if len(self.progress.text.encode()) > MAX_ANSWER_BYTES:
            self._is_too_long = True
            await stream.cancel()

    async def _commit(self) -> None:
        pending = self.progress.pending()
        if pending:
            await self._append(pending, unless_cancelled=True)
            self.progress.commit()
            self._committed_at = time.monotonic()

    async def _check_cancel(self, stream: JobStream) -> None:
        now = await asyncio.to_thread(self.store.load, self.record.job.job_id)
        # A job that is gone or taken over is found out by the next append.
        if now is None or now.cursor.cancel_requested:
            await self._cancel(stream)

    async def _cancel(self, stream: JobStream) -> None:
        self._is_cancelled = True
        self.progress.discard()
        await stream.cancel()

    async def _stop(self, stream: JobStream) -> None:
        """The engine need not go on with what nobody will commit."""
        try:
            await stream.cancel()
        except EngineLost as error:
            log.debug("%s", error)

    async def _end_done(self, reason: FinishReason, usage: Usage) -> None:
        if self._is_cancelled:
            self.progress.discard()
            await self._end(JobState.CANCELLED, FinishReason.CANCELLED, [usage])
        elif self._is_too_long:
            self.progress.discard()
            await self._end(JobState.SUCCEEDED, FinishReason.LENGTH, [usage])
        else:
            await self._end(JobState.SUCCEEDED, reason, [usage])

    async def _end(
        self, state: JobState, reason: FinishReason | None, bodies: Sequence[EventBody]
    ) -> None:
        """The last append: what is still new, then `bodies`, then the final state, all at once."""
        text = self.progress.text + self.progress.new_text
        await self._append(
            [*self.progress.pending(), *bodies, StateChange(state, reason)], answer_text=text
        )
        self.progress.commit()
        log.info(
            "Ended %s.",
            state.value,
            extra={
                "JOB": self.record.job.job_id,
                "CONVERSATION": self.record.job.conversation_id,
                "ATTEMPT": self.record.cursor.attempt,
            },
        )

    async def _append(
        self,
        bodies: Sequence[EventBody],
        *,
        new_attempt: bool = False,
        unless_cancelled: bool = False,
        answer_text: str = "",
    ) -> None:
        self.record = await asyncio.to_thread(
            self.store.append,
            self.record,
            bodies,
            new_attempt=new_attempt,
            unless_cancelled=unless_cancelled,
            answer_text=answer_text,
        )
