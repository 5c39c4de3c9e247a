"""The steward's work on one open job: find what the job needs in order to end, and do it.

Any step may run twice, run in two processes at once or stop anywhere. Every write to a job goes
through its fence, every write to its entry has a condition, and the next round still sees what was
not done.
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
from aistratus_router.jobs.cancelling import CANCELLED
from aistratus_router.store.jobs import JobStore, LastSign
from aistratus_router.store.open_jobs import OpenJob, OpenJobs

# A job that waits in a long queue is sent again and again, each time after twice the silence, up to
# this many times the first.
MAX_SILENCE_FACTOR: Final = 8


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the steward waits for others to act first.

    A request that is still running sends its job itself. A live worker ends a job within seconds of
    the request to cancel it. A dead worker's message comes back after its visibility timeout; after
    ten timeouts without a sign, the message counts as lost.
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

    WAITS = auto()  # nothing to do yet
    HEARD = auto()  # a worker is on it
    SENT = auto()
    SENT_AGAIN = auto()
    CANCELLED = auto()
    REMOVED = auto()  # its job had ended or was gone
    OVERTAKEN = auto()  # another process acted meanwhile


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Moves open jobs on."""

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
        """For a job that only another release can read: make sure that it has a message.

        Its entry says that it has not ended, and a duplicate message does no harm.
        """
        if not self._is_silent(entry, now):
            return Outcome.WAITS
        self.open_jobs.send(entry, now)
        return Outcome.SENT_AGAIN

    def _cancel(self, entry: OpenJob) -> Outcome:
        """End a job that is to be cancelled, with the text that readers have seen.

        The fence is on the next event's `seq`: if another event was written since the log was read,
        the append is refused, and that event's writer takes care of the job.
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
        """When a worker was last on a job; an event from a clock far ahead does not count."""
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
