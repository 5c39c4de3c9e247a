"""One job, from the moment a worker takes it to its last event.

Tokens arrive from the engine, collect for a moment and are committed with a fenced append. Only
committed tokens count: the job's next attempt goes on from there.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from aistratus_contracts.errors import JobErrorCode
from aistratus_contracts.event import EventBody, JobError, StateChange, Usage
from aistratus_contracts.job import JobHead, Message, Sampling
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

# The first token is committed at once, later ones after collecting for this long: a reader sees the
# text flow from the start. Each commit costs four write units and a reader's poll, so the time is a
# share of the answer's age: an answer of 30 s costs 140 commits rather than 300 (decision 25).
COMMIT_SECONDS: Final = 0.1
COMMIT_SHARE: Final = 0.05
MAX_COMMIT_SECONDS: Final = 0.25
# For all answers of a worker together. A commit takes four write units (two items, in a
# transaction), so this rate costs 0.18 USD an hour at 0.625 USD a million; 16 answers with ten
# commits a second each would cost 1.44, more than the GPU that computes them. On one machine,
# every commit takes time from the engine.
COMMITS_PER_SECOND: Final = 20
# How often to ask the table whether to stop while no token comes (a long prompt).
CHECK_SECONDS: Final = 1.0
# How often to ask the engine meanwhile whether it has the job at all.
PROBE_SECONDS: Final = 10.0
# How many times a job's request may get lost on its way into the engine.
MAX_LOST_REQUESTS: Final = 3
# How long to wait for an engine to say that it has stopped; usage is not worth a longer wait.
STOP_PATIENCE_SECONDS: Final = 10.0
# How many engines a job, running alone, may bring down without its answer growing.
MAX_FAILURES: Final = 3
# How many tokens a dying engine may have computed but not sent.
UNHEARD_TOKENS: Final = 16
# Real weights load in less. If the engine stays away longer, its machine is at fault.
ENGINE_PATIENCE_SECONDS: Final = 120.0


def commit_seconds(running: int, age_seconds: float = 0.0) -> float:
    """How long an answer's tokens collect while `running` answers are under way.

    `age_seconds` is how long ago its first token came.
    """
    alone = min(max(COMMIT_SECONDS, age_seconds * COMMIT_SHARE), MAX_COMMIT_SECONDS)
    return max(alone, running / COMMITS_PER_SECOND)


class EngineStaysAway(DaemonError):
    """The engine went away and did not come back in time."""


class RequestLost(DaemonError):
    """The engine does not know a job that was sent to it."""


@dataclass(eq=False)
class JobRun:
    """A job in this worker's hands. Raises `AppendRefused` once it is no longer ours.

    `running` counts the jobs under way, including this one. `given_up` is called with a job that
    has brought down too many engines, and with the reason, before the job ends.
    """

    job_log: JobLog
    sampling: Sampling
    messages: tuple[Message, ...]
    left_out: int
    engine: EngineClient
    suspects: Suspects
    running: Callable[[], int]
    given_up: Callable[[JobHead, str], None]
    _committed_at: float = -float("inf")
    _first_at: float = float("inf")
    _is_cancelled: bool = False
    # Whether a token of this attempt has come.
    _is_generating: bool = False
    _lost_requests: int = 0
    _probed_at: float = 0.0
    # When the engine was told to stop, if it was.
    _stopped_at: float | None = None
    # How many tokens the answer had when the engine last died with it, as far as we know.
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
                self._is_generating = False
                log.info("Taken over at token %d.", self.job_log.progress.reached)
                try:
                    while not await self._answer():
                        log.info("Leaves the engine, and waits to enter it again.")
                except EngineLost as error:
                    failures = await self._lose(error)
                else:
                    return
            await self._give_up()
        finally:
            self.suspects.clear(self)

    async def _answer(self) -> bool:
        """Have the engine go on with the answer; returns whether the job has ended.

        It has not if it must yield the engine to a suspect, or if the engine lost the request.
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
                # The worker drains: keep what is generated, leave the rest to the next attempt.
                await self._keep()
                raise
            finally:
                stream.close()
                if not has_ended:
                    self._stop(stream)
        return has_ended

    def _is_over(self) -> bool:
        """Whether the engine has nothing more to do for this job."""
        return self._is_cancelled or self.job_log.progress.is_full

    async def _end_early(self, *, new_attempt: bool = False) -> None:
        state, reason = JobState.SUCCEEDED, FinishReason.LENGTH
        if self._is_cancelled:
            state, reason = JobState.CANCELLED, FinishReason.CANCELLED
        await self._end(state, reason, [], new_attempt=new_attempt)

    async def _is_admitted(self) -> bool:
        """Wait for a moment at the engine's door; returns whether the job may enter."""
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self.suspects.until_admitted(self)
        except TimeoutError:
            return False
        return True

    def _must_yield(self) -> bool:
        """Clear the job if its answer has grown enough; returns whether it must yield."""
        if self._is_past_its_fall():
            self.suspects.clear(self)
        return self.suspects.must_yield(self)

    async def _lose(self, error: EngineLost) -> int:
        """Keep what a lost engine said and wait for the next; returns this job's failures."""
        failures = 0 if self._is_past_its_fall() else self.job_log.record.cursor.failures
        self._fell_at = max(self._fell_at, self.job_log.progress.reached)
        is_guilty = self.suspects.is_guilty(self)
        alone = " This job was alone in it." if is_guilty else ""
        log.warning("%s%s", error, alone)
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
        """Wait for the next engine, as long as the job needs one."""
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
        """Count a lost request and allow a few retries; returns whether the job has ended."""
        log.error("%s", error)
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
        """Whether the answer is clearly longer than when the engine last died with it."""
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
            attempt=self.job_log.record.cursor.attempt,
            messages=self.messages,
            sampling=self.sampling,
            committed=tuple(self.job_log.progress.token_ids),
            left_out=self.left_out,
        )

    async def _take_frame(self, stream: JobStream) -> bool:
        """Handle the next frame, or its absence; returns whether the job has ended."""
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
        if not self._is_generating:
            self._is_generating = True
            log.info("Generating.")
        self.job_log.progress.add(tokens)
        if self.job_log.progress.is_full:
            self._stop_engine(stream)
        elif self._patience() <= 0:
            await self._commit_or_stop(stream)

    async def _is_ended_while_silent(self, stream: JobStream) -> bool:
        """Check on the job while the engine is silent; returns whether the job has ended."""
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
        due = self._committed_at + commit_seconds(self.running(), _now() - self._first_at)
        return max(0.0, due - _now())

    async def _commit_or_stop(self, stream: JobStream) -> None:
        """Commit what is new; if the reader has cancelled, tell the engine."""
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
            self._first_at = min(self._first_at, self._committed_at)

    async def _keep(self) -> None:
        """Commit what is new, if the table takes it in time."""
        try:
            async with asyncio.timeout(DRAIN_COMMIT_SECONDS):
                await self._commit()
        except (TimeoutError, AppendRefused, BotoCoreError, ClientError) as error:
            log.warning("The newest tokens could not be committed: %s", error)

    async def _look(self) -> None:
        """Note a requested cancel; raises `AppendRefused` if the job is no longer ours."""
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
        """Tell the engine to drop work that nobody will commit."""
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
        """Append what is still new, then `bodies`, then the final state, all at once."""
        await self.job_log.append(
            [*self.job_log.progress.pending(), *bodies, StateChange(state, reason)],
            has_new=True,
            new_attempt=new_attempt,
            answer_text=self.job_log.progress.whole_text,
        )
        log.info("Ended %s.", state.value)


def _now() -> float:
    return asyncio.get_running_loop().time()
