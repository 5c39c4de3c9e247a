"""The log of a job in this worker's hands: what is in the table, and what will go there next."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from aistratus_contracts.event import EventBody
from aistratus_contracts.table import JobRecord
from aistratus_daemon.job_context import JobContext
from aistratus_daemon.worker.progress import AnswerProgress
from aistratus_daemon.worker.store import FenceLost, JobGone, JobStore

log = logging.getLogger("worker")

# A drain has two seconds for everything.
DRAIN_COMMIT_SECONDS: Final = 1.0


def context_of(record: JobRecord) -> JobContext:
    """What the log's lines about a job carry."""
    return JobContext(record.job.job_id, record.job.conversation_id, record.cursor.attempt)


@dataclass
class JobLog:
    """Where this worker thinks the log stands. Raises `AppendRefused` if it stands elsewhere."""

    record: JobRecord
    store: JobStore
    progress: AnswerProgress = field(default_factory=AnswerProgress)

    async def read(self) -> None:
        """Take in what earlier attempts have committed."""
        if self.record.cursor.attempt > 0:
            events = await asyncio.to_thread(self.store.events, self.record.job.job_id)
            self.progress = AnswerProgress.from_events(events)

    async def is_cancel_wanted(self) -> bool:
        """Ask the table about a cancel while there is nothing to append."""
        job_id, mine = self.record.job.job_id, self.record.cursor
        now = await asyncio.to_thread(self.store.load, job_id)
        if now is None:
            raise JobGone(f"Job {job_id} was deleted.")
        if (now.cursor.attempt, now.cursor.next_seq) != (mine.attempt, mine.next_seq):
            raise FenceLost(f"Job {job_id} is at attempt {now.cursor.attempt} now, and another's.")
        return now.cursor.cancel_requested

    async def append(
        self,
        bodies: Sequence[EventBody],
        *,
        has_new: bool = False,
        new_attempt: bool = False,
        unless_cancelled: bool = False,
        answer_text: str = "",
        failures: int | None = None,
    ) -> None:
        """Append to the log; `has_new` says that `bodies` include all that was pending.

        An append once begun is seen through, even when the worker drains: without its outcome
        nobody here would know where the log stands.
        """
        # The record that `bodies` were made for. An earlier append that a drain does not wait for
        # may advance `self.record`, and with it the fence, before the task begins.
        record = self.record

        async def append() -> None:
            self.record = await asyncio.to_thread(
                self.store.append,
                record,
                bodies,
                new_attempt=new_attempt,
                unless_cancelled=unless_cancelled,
                answer_text=answer_text,
                failures=failures,
            )
            if has_new:
                self.progress.commit()

        appending = asyncio.create_task(append())
        try:
            await asyncio.shield(appending)
        except asyncio.CancelledError:
            # Log a failure even if it comes after the wait below.
            appending.add_done_callback(self._tell_failure)
            await asyncio.wait({appending}, timeout=DRAIN_COMMIT_SECONDS)
            raise

    def context(self) -> JobContext:
        """What the log's lines about this job carry."""
        return context_of(self.record)

    def _tell_failure(self, appending: "asyncio.Task[None]") -> None:
        if not appending.cancelled() and (error := appending.exception()) is not None:
            log.warning("An append failed: %s", error)
