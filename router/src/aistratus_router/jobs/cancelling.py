"""Cancel in any state: end a queued job, ask a running one to stop, leave an ended one."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aistratus_contracts import table
from aistratus_contracts.event import StateChange
from aistratus_contracts.states import FinishReason, JobState
from aistratus_contracts.table import JobRecord
from aistratus_router.errors import Unavailable
from aistratus_router.store.jobs import JobStore
from aistratus_router.store.open_jobs import OpenJobs
from aistratus_router.wire.problems import not_found

MAX_TRIES: Final = 8
PAUSE_SECONDS: Final = 0.02

CANCELLED: Final = StateChange(JobState.CANCELLED, FinishReason.CANCELLED)


@dataclass(frozen=True, slots=True)
class Canceller:
    """Cancels one owner's jobs, even while a worker takes or finishes them."""

    jobs: JobStore
    open_jobs: OpenJobs
    table_name: str
    owner: str
    clock: Callable[[], datetime]
    sleep: Callable[[float], None] = time.sleep

    def cancel(self, job_id: str) -> JobRecord:
        """The job once it is cancelled, asked to stop, or found to have ended.

        Each try reads the job again and acts on its state. If one loses a race against a worker,
        the next sees what the worker wrote.
        """
        for _ in range(MAX_TRIES):
            record = self.jobs.load(job_id)
            if record is None or record.job.owner != self.owner:
                raise not_found("job")
            state = record.cursor.state
            if state.is_final:
                return record
            if state is JobState.QUEUED:
                append = table.append(self.table_name, record, [CANCELLED], self.clock())
                if self.jobs.commit(append):
                    return JobRecord(record.job, append.cursor)
            elif record.cursor.cancel_requested:
                return record
            else:
                # First, so that the steward knows of every job that was asked to stop.
                self.open_jobs.ask_cancel(record.job, self.clock())
                if self.jobs.request_cancel(job_id):
                    return record
            self.sleep(random.uniform(0, PAUSE_SECONDS))  # noqa: S311
        raise Unavailable("The job changes too fast to be cancelled just now.")
