"""From the dead-letter queue back to the jobs: which letters can go, and how one does."""

from dataclasses import dataclass
from enum import StrEnum

from aistratus_contracts.errors import JobErrorCode
from aistratus_contracts.table import JobRecord
from aistratus_router.dead_letters import DeadLetters, Letter
from aistratus_router.job_store import JobStore
from aistratus_router.open_jobs import OpenJobs
from aistratus_router.queue import JobQueue


class Fate(StrEnum):
    """What has become of a letter's job; only what is open can be worked on again."""

    OPEN = "open"
    ENDED = "ended"
    POISON = "poison"  # it brought down one engine after the other, and ended for it
    GONE = "gone"  # its conversation was deleted, or it was too old to be kept
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Finding:
    """A letter, and how its job stands."""

    letter: Letter
    fate: Fate
    record: JobRecord | None = None

    @property
    def state(self) -> str:
        """The job's state, in one word; or why it has none."""
        return self.fate.value if self.record is None else self.record.cursor.state.value


@dataclass(frozen=True, slots=True)
class Redelivery:
    """Looks at letters, and sends their jobs' messages again."""

    jobs: JobStore
    open_jobs: OpenJobs
    queue: JobQueue
    letters: DeadLetters

    def examine(self, letter: Letter) -> Finding:
        """How a letter's job stands."""
        if letter.job_id is None:
            return Finding(letter, Fate.UNREADABLE)
        last = self.jobs.last_sign(letter.job_id)
        if last is None:
            return Finding(letter, Fate.GONE)
        if not last.record.cursor.state.is_final:
            return Finding(letter, Fate.OPEN, last.record)
        is_poison = last.error is not None and last.error.code is JobErrorCode.POISON
        return Finding(letter, Fate.POISON if is_poison else Fate.ENDED, last.record)

    def put_back(self, letter: Letter, record: JobRecord) -> None:
        """Send an open job's message again, and only then take the letter out.

        The letter gives the deduplication id, so one that is put back twice sends one message.
        """
        job = record.job
        entry = self.open_jobs.find(job)
        # Without an entry the job has just ended, and its message says nothing to anybody.
        group = letter.group if entry is None else entry.group
        self.queue.send(job.job_id, group, f"{job.job_id}-{letter.message_id}")
        self.letters.delete(letter)
