"""What an open job needs so that it ends, and doing it: the steward's work on one entry.

Everything here may be done twice, or by two at once, or be cut short anywhere. What is written to
a job goes through its fence, what is written to its entry has a condition, and what was not done
is still to be seen by the next who looks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, auto
from typing import Final

from aistratus_contracts import table
from aistratus_contracts.errors import UnknownVersion
from aistratus_contracts.event import Delta, decode_event
from aistratus_contracts.limits import VISIBILITY_TIMEOUT_SECONDS
from aistratus_router.cancelling import CANCELLED
from aistratus_router.job_store import JobStore, LastSign
from aistratus_router.open_jobs import OpenJob, OpenJobs

# A job that waits in a long queue is sent again and again: each time after twice as long a
# silence, up to this many times the first.
MAX_SILENCE_FACTOR: Final = 8


@dataclass(frozen=True, slots=True)
class Patience:
    """How long things are left to those whose business they are.

    A request that is still at it sends its job itself. A worker that is alive ends a job that is
    to be cancelled within seconds. A message whose worker died comes back after its visibility
    timeout; ten of them without a sign, and there is no message.
    """

    unsent_seconds: float = 30
    cancel_seconds: float = 60
    silence_seconds: float = 10 * VISIBILITY_TIMEOUT_SECONDS

    def silence(self, entry: OpenJob) -> timedelta:
        """How long after its last sign a job counts as lost."""
        factor = 1
        if entry.heard_at is None or entry.heard_at < entry.sign_at:
            factor = min(2 ** max(0, entry.sends - 1), MAX_SILENCE_FACTOR)
        return timedelta(seconds=self.silence_seconds * factor)


class Outcome(StrEnum):
    """What was done about an entry."""

    WAITS = auto()  # nothing is due
    HEARD = auto()  # somebody works on it
    SENT = auto()
    SENT_AGAIN = auto()
    CANCELLED = auto()
    REMOVED = auto()  # its job had ended, or was gone
    OVERTAKEN = auto()  # somebody else did something meanwhile


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Brings open jobs forward."""

    jobs: JobStore
    open_jobs: OpenJobs
    table_name: str
    patience: Patience
    clock: Callable[[], datetime]

    def settle(self, entry: OpenJob) -> Outcome:
        """Do what an entry's job needs; raises what AWS or a broken item raises."""
        now = self.clock()
        if not entry.sends:
            if now - entry.stored_at < timedelta(seconds=self.patience.unsent_seconds):
                return Outcome.WAITS
            self.open_jobs.send(entry, now)
            return Outcome.SENT
        if not (self._is_silent(entry, now) or self._cancel_is_overdue(entry, now)):
            return Outcome.WAITS
        return self._look(entry, now)

    def _look(self, entry: OpenJob, now: datetime) -> Outcome:
        try:
            last = self.jobs.last_sign(entry.job_id)
        except UnknownVersion:
            return self._look_from_outside(entry, now)
        if last is None or last.record.cursor.state.is_final:
            self.open_jobs.remove(entry)
            return Outcome.REMOVED
        heard_at = self._heard_at(entry, last, now)
        is_silent = self._is_silent(entry, now) and now - heard_at >= self.patience.silence(entry)
        if last.record.cursor.cancel_requested and (
            is_silent or self._cancel_is_overdue(entry, now)
        ):
            return self._cancel(entry)
        if is_silent:
            self.open_jobs.send(entry, now)
            return Outcome.SENT_AGAIN
        if heard_at > entry.sign_at:
            self.open_jobs.hear(entry, heard_at)
        return Outcome.HEARD

    def _look_from_outside(self, entry: OpenJob, now: datetime) -> Outcome:
        """For a job that only another release can read: see that it does not lack its message.

        Its entry says that it has not ended, and a message too many does no harm.
        """
        if not self._is_silent(entry, now):
            return Outcome.WAITS
        self.open_jobs.send(entry, now)
        return Outcome.SENT_AGAIN

    def _cancel(self, entry: OpenJob) -> Outcome:
        """End a job that is to be cancelled, with the text that readers have seen.

        The fence is on the next event's number: with one event more or less than were read here,
        the append is refused, and whoever wrote it sees to the job.
        """
        log = self.jobs.whole_log(entry.job_id)
        if log is None or len(log.events) != log.record.cursor.next_seq - 1:
            return Outcome.OVERTAKEN
        bodies = [decode_event(text).body for _, text in log.events]
        text = "".join(body.text for body in bodies if isinstance(body, Delta))
        append = table.append(
            self.table_name, log.record, [CANCELLED], self.clock(), answer_text=text
        )
        if log.record.cursor.state.is_final or not self.jobs.commit(append):
            return Outcome.OVERTAKEN
        return Outcome.CANCELLED

    def _heard_at(self, entry: OpenJob, last: LastSign, now: datetime) -> datetime:
        """When somebody worked on a job; an event of a clock that is far ahead says nothing."""
        far_ahead = now + timedelta(seconds=self.patience.silence_seconds)
        if not last.events or last.events[0].at > far_ahead:
            return entry.stored_at
        return last.events[0].at

    def _is_silent(self, entry: OpenJob, now: datetime) -> bool:
        return now - entry.sign_at >= self.patience.silence(entry)

    def _cancel_is_overdue(self, entry: OpenJob, now: datetime) -> bool:
        asked_at = entry.cancel_asked_at
        return asked_at is not None and now - asked_at >= timedelta(
            seconds=self.patience.cancel_seconds
        )
