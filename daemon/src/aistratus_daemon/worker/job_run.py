"""One job, from the moment a worker takes it to its last event.

Tokens come in from the engine, collect for a moment and are committed with a fenced append. Only
what is committed counts: a job that is taken up again goes on from there.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from aistratus_contracts.errors import JobErrorCode
from aistratus_contracts.event import EventBody, JobError, StateChange, Usage
from aistratus_contracts.job import Job, Message
from aistratus_contracts.limits import MAX_ERROR_CHARS
from aistratus_contracts.states import FinishReason, JobState
from aistratus_daemon.errors import DaemonError
from aistratus_daemon.frames import Done, Failed, Generate, JobNotice, NewTokens, Unknown
from aistratus_daemon.worker.engine_client import (
    EngineClient,
    EngineLost,
    FrameTooLong,
    JobStream,
)
from aistratus_daemon.worker.job_log import DRAIN_COMMIT_SECONDS, JobLog
from aistratus_daemon.worker.store import AppendRefused, CancelRequested
from aistratus_daemon.worker.suspects import Suspects

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
CHECK_SECONDS: Final = 1.0
# And this often the engine is asked whether it has the job at all.
PROBE_SECONDS: Final = 10.0
# How often a job may get lost on its way into the engine.
MAX_LOST_REQUESTS: Final = 3
# How long an engine may take to say that it has stopped. Its usage is not worth more.
STOP_PATIENCE_SECONDS: Final = 10.0
# Engines that a job may bring down, alone, without its answer growing.
MAX_FAILURES: Final = 3
# What an engine may have computed and not said when it dies.
UNHEARD_TOKENS: Final = 16
# Real weights are loaded in less. An engine that stays away longer has a sick machine.
ENGINE_PATIENCE_SECONDS: Final = 120.0


def commit_seconds(running: int) -> float:
    """How long an answer's tokens collect when so many answers are under way."""
    return max(COMMIT_SECONDS, running / COMMITS_PER_SECOND)


class EngineStaysAway(DaemonError):
    """There is no engine, and there was none for long."""


class RequestLost(DaemonError):
    """The engine does not know a job that it was asked for."""


@dataclass(eq=False)
class JobRun:
    """A job in this worker's hands. Raises `AppendRefused` when it is not ours any more.

    `running` says how many there are now, with this one; `given_up` is told of a job that ends
    because of what it does to engines, and why, before it ends.
    """

    job_log: JobLog
    messages: tuple[Message, ...]
    left_out: int
    engine: EngineClient
    suspects: Suspects
    running: Callable[[], int]
    given_up: Callable[[Job, str], None]
    _committed_at: float = -float("inf")
    _is_cancelled: bool = False
    _lost_requests: int = 0
    _probed_at: float = 0.0
    # When the engine was told to stop, if it was.
    _stopped_at: float | None = None
    # How many tokens the answer had when the engine last died of it, as far as is known here.
    _fell_at: int = 0

    async def run(self) -> None:
        """Answer the job; returns once its final state is in the table."""
        await self.job_log.read()
        self._fell_at = self.job_log.progress.reached
        failures = self.job_log.record.cursor.failures
        try:
            while failures < MAX_FAILURES:
                self._is_cancelled |= self.job_log.record.cursor.cancel_requested
                if self._is_over():
                    await self._end_early(new_attempt=True)
                    return
                await self.job_log.append(
                    [StateChange(JobState.RUNNING)], new_attempt=True, failures=failures
                )
                try:
                    while not await self._answer():
                        log.info("Goes back to the engine's door.", extra=self.job_log.fields())
                except EngineLost as error:
                    failures = await self._lose(error)
                else:
                    return
            await self._give_up()
        finally:
            self.suspects.clear(self)

    async def _answer(self) -> bool:
        """Have the engine go on with the answer; returns whether the job has ended.

        It has not if others, which may have brought down the engine, must be tried alone, or if
        the engine lost the request.
        """
        while not self._is_over() and not await self._is_admitted():
            await self._look()
        if self._is_over():
            await self._end_early()
            return True
        with self.suspects.inside(self):
            try:
                stream = await self.engine.open(self._request())
            except FrameTooLong as error:
                await self._fail(JobErrorCode.PROMPT_TOO_LONG, str(error))
                return True
            self._probed_at, self._stopped_at = _now(), None
            has_ended = must_yield = False
            try:
                while not (has_ended or must_yield):
                    has_ended = await self._take_frame(stream)
                    must_yield = self._must_yield()
                if not has_ended:
                    await self._commit_or_stop(stream)
            except RequestLost as error:
                has_ended = await self._count_lost(error)
            except asyncio.CancelledError:
                # The worker drains: what is generated is kept, the rest is for the next attempt.
                await self._keep()
                raise
            finally:
                stream.close()
                if not has_ended:
                    self._stop(stream)
        return has_ended

    def _is_over(self) -> bool:
        """Whether nothing more is wanted of the engine."""
        return self._is_cancelled or self.job_log.progress.is_full

    async def _end_early(self, *, new_attempt: bool = False) -> None:
        state, reason = JobState.SUCCEEDED, FinishReason.LENGTH
        if self._is_cancelled:
            state, reason = JobState.CANCELLED, FinishReason.CANCELLED
        await self._end(state, reason, [], new_attempt=new_attempt)

    async def _is_admitted(self) -> bool:
        """Wait at the engine's door, but not for ever."""
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self.suspects.until_admitted(self)
        except TimeoutError:
            return False
        return True

    def _must_yield(self) -> bool:
        """Take note of how far the answer has come; say whether another must be tried alone."""
        if self._is_past_its_fall():
            self.suspects.clear(self)
        return self.suspects.must_yield(self)

    async def _lose(self, error: EngineLost) -> int:
        """The engine is gone: keep what it said, wait for the next; returns this job's failures."""
        failures = 0 if self._is_past_its_fall() else self.job_log.record.cursor.failures
        self._fell_at = max(self._fell_at, self.job_log.progress.reached)
        is_guilty = self.suspects.is_guilty(self)
        alone = " This job was alone in it." if is_guilty else ""
        log.warning("%s%s", error, alone, extra=self.job_log.fields())
        try:
            await self._commit()
        except CancelRequested:
            self._cancel()
        if not await self._is_engine_back():
            raise EngineStaysAway(
                f"The engine went away and did not come back in {ENGINE_PATIENCE_SECONDS} s."
            ) from error
        return failures + is_guilty

    async def _is_engine_back(self) -> bool:
        """Wait for the next engine, as long as there is something to do for it."""
        give_up_at = _now() + ENGINE_PATIENCE_SECONDS
        while not self._is_over() and _now() < give_up_at:
            try:
                async with asyncio.timeout(CHECK_SECONDS):
                    await self.engine.ready()
            except TimeoutError:
                await self._look()
            else:
                return True
        return self._is_over()

    async def _count_lost(self, error: RequestLost) -> bool:
        """A request got lost: it is made again, but not for ever; returns whether the job ended."""
        log.error("%s", error, extra=self.job_log.fields())
        self._lost_requests += 1
        try:
            await self._commit()
        except CancelRequested:
            self._cancel()
        if self._is_over():
            await self._end_early()
            return True
        if self._lost_requests < MAX_LOST_REQUESTS:
            return False
        sentence = f"The engine lost this prompt {MAX_LOST_REQUESTS} times; ask again."
        await self._fail(JobErrorCode.ENGINE_FAILED, sentence)
        return True

    def _is_past_its_fall(self) -> bool:
        """Whether the answer has come clearly further than when the engine last died of it."""
        return self.job_log.progress.reached > self._fell_at + UNHEARD_TOKENS

    async def _give_up(self) -> None:
        sentence = f"The engine broke down {MAX_FAILURES} times over this prompt; rephrase it."
        await asyncio.to_thread(self.given_up, self.job_log.record.job, sentence)
        await self._fail(JobErrorCode.POISON, sentence)

    async def _fail(self, code: JobErrorCode, sentence: str) -> None:
        error = JobError(code, sentence[:MAX_ERROR_CHARS])
        await self._end(JobState.FAILED, None, [error])

    def _request(self) -> Generate:
        job = self.job_log.record.job
        return Generate(
            job_id=job.job_id,
            cache_key=f"{job.owner}/{job.conversation_id}",
            messages=self.messages,
            sampling=job.sampling,
            committed=tuple(self.job_log.progress.token_ids),
            left_out=self.left_out,
        )

    async def _take_frame(self, stream: JobStream) -> bool:
        """Act on one frame, or on none having come; returns whether the job has ended."""
        match await stream.next(self._patience()):
            case None if self.job_log.progress.pending():
                await self._commit_or_stop(stream)
            case None:
                return await self._is_ended_while_silent(stream)
            case NewTokens() as tokens:
                await self._take_tokens(stream, tokens)
            case Unknown():
                raise RequestLost("The engine does not know a job that it was asked for.")
            case JobNotice(_, notice):
                if not self.job_log.progress.has_notice:
                    await self.job_log.append([notice])
                    self.job_log.progress.has_notice = True
            case Done(_, reason, usage):
                await self._end_done(reason, usage)
                return True
            case Failed(_, code, message):
                await self._fail(code, message)
                return True
        return False

    async def _take_tokens(self, stream: JobStream, tokens: NewTokens) -> None:
        if self._is_over():
            return
        self.job_log.progress.add(tokens)
        if self.job_log.progress.is_full:
            self._stop_engine(stream)
        elif self._patience() <= 0:
            await self._commit_or_stop(stream)

    async def _is_ended_while_silent(self, stream: JobStream) -> bool:
        """The engine says nothing: see whether that will change; returns whether the job ended."""
        await self._look()
        if self._is_over():
            self._stop_engine(stream)
            if self._stopped_at is not None and _now() - self._stopped_at > STOP_PATIENCE_SECONDS:
                await self._end_early()
                return True
        if _now() - self._probed_at >= PROBE_SECONDS:
            self._probed_at = _now()
            stream.probe()
        return False

    def _patience(self) -> float:
        """How long to wait for the next frame, in seconds."""
        if not self.job_log.progress.pending():
            return CHECK_SECONDS
        due = self._committed_at + commit_seconds(self.running())
        return max(0.0, due - _now())

    async def _commit_or_stop(self, stream: JobStream) -> None:
        """Commit what is new; where the reader wants no more, tell the engine."""
        try:
            await self._commit()
        except CancelRequested:
            self._cancel()
            self._stop_engine(stream)

    async def _commit(self) -> None:
        pending = self.job_log.progress.pending()
        if pending:
            failures = 0 if self._is_past_its_fall() else None
            await self.job_log.append(
                pending, has_new=True, unless_cancelled=True, failures=failures
            )
            self._committed_at = _now()

    async def _keep(self) -> None:
        """Commit what is new, if the table takes it soon."""
        try:
            async with asyncio.timeout(DRAIN_COMMIT_SECONDS):
                await self._commit()
        except (TimeoutError, AppendRefused, BotoCoreError, ClientError) as error:
            log.warning("Some tokens are not kept: %s", error, extra=self.job_log.fields())

    async def _look(self) -> None:
        """Whether the job is still wanted, and still this worker's; raises `AppendRefused`."""
        if await self.job_log.is_cancel_wanted():
            self._cancel()

    def _cancel(self) -> None:
        self._is_cancelled = True
        self.job_log.progress.discard()

    def _stop_engine(self, stream: JobStream) -> None:
        """Ask the engine to stop, once; a `Done` follows."""
        if self._stopped_at is None:
            self._stopped_at = _now()
            stream.cancel()

    def _stop(self, stream: JobStream) -> None:
        """The engine need not go on with what nobody will commit."""
        try:
            stream.cancel()
        except EngineLost as error:
            log.debug("%s", error)

    async def _end_done(self, reason: FinishReason, usage: Usage) -> None:
        if self._is_cancelled:
            self.job_log.progress.discard()
            await self._end(JobState.CANCELLED, FinishReason.CANCELLED, [usage])
        elif self.job_log.progress.is_full:
            await self._end(JobState.SUCCEEDED, FinishReason.LENGTH, [usage])
        else:
            await self._end(JobState.SUCCEEDED, reason, [usage])

    async def _end(
        self,
        state: JobState,
        reason: FinishReason | None,
        bodies: Sequence[EventBody],
        *,
        new_attempt: bool = False,
    ) -> None:
        """The last append: what is still new, then `bodies`, then the final state, all at once."""
        await self.job_log.append(
            [*self.job_log.progress.pending(), *bodies, StateChange(state, reason)],
            has_new=True,
            new_attempt=new_attempt,
            answer_text=self.job_log.progress.whole_text,
        )
        log.info("Ended %s.", state.value, extra=self.job_log.fields())


def _now() -> float:
    return asyncio.get_running_loop().time()
