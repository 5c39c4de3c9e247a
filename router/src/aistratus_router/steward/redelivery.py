"""From the dead-letter queue back to the job queue: which letters can go back, and how."""

from dataclasses import dataclass
from enum import StrEnum

from aistratus_contracts.errors import JobErrorCode, UnknownVersion
from aistratus_contracts.table import JobRecord
from aistratus_router.store.dead_letters import DeadLetters, Letter
from aistratus_router.store.job_queue import JobQueue
from aistratus_router.store.jobs import JobStore
from aistratus_router.store.open_jobs import OpenJobs


class Fate(StrEnum):
    """What became of a letter's job; only an open job can be run again.

    A job of another release may be open: only a worker that can read it knows.
    """

    OPEN = "open"
    ENDED = "ended"
    POISON = "poison"  # it brought down one engine after another, and failed for that
    GONE = "gone"  # its conversation was deleted, or the job expired
    UNREADABLE = "unreadable"
    OTHER_RELEASE = "other_release"  # this release does not know its version, or its job's


@dataclass(frozen=True, slots=True)
class Finding:
    """A letter, and what became of its job."""

    letter: Letter
    fate: Fate
    record: JobRecord | None = None

    @property
    def can_go_back(self) -> bool:
        """Whether a worker may be able to run its job."""
        return self.fate in (Fate.OPEN, Fate.OTHER_RELEASE)

    @property
    def state(self) -> str:
        """The job's state in one word, or why it has none."""
        return self.fate.value if self.record is None else self.record.cursor.state.value


@dataclass(frozen=True, slots=True)
class Redelivery:
    """Examines letters, and sends their jobs' messages again."""

    jobs: JobStore
    open_jobs: OpenJobs
    queue: JobQueue
    letters: DeadLetters

    def examine(self, letter: Letter) -> Finding:
        """Find what became of a letter's job."""
        if letter.is_of_other_release:
            return Finding(letter, Fate.OTHER_RELEASE)
        if letter.job_id is None:
            return Finding(letter, Fate.UNREADABLE)
        try:
            last = self.jobs.last_sign(letter.job_id)
        except UnknownVersion:
            return Finding(letter, Fate.OTHER_RELEASE)
        if last is None:
            return Finding(letter, Fate.GONE)
        if not last.record.cursor.state.is_final:
            return Finding(letter, Fate.OPEN, last.record)
        is_poison = last.error is not None and last.error.code is JobErrorCode.POISON
        return Finding(letter, Fate.POISON if is_poison else Fate.ENDED, last.record)

    def put_back(self, found: Finding) -> None:
        """Send the letter's message again, and only then delete the letter.

        The letter determines the deduplication id, so putting it back twice sends one message.
        """
        letter, record = found.letter, found.record
        if record is None:
            self.queue.forward(letter.body, letter.group, letter.message_id)
        else:
            job = record.job
            entry = self.open_jobs.find(job)
            # Without an entry the job has just ended, and no worker acts on its message.
            group = letter.group if entry is None else entry.group
            self.queue.send(job.job_id, group, f"{job.job_id}-{letter.message_id}")
        self.letters.delete(letter)
