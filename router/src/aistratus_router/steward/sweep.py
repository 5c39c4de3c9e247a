"""One sweep: the fleet, then the open jobs, oldest first, then the dead-letter queue."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from aistratus_contracts.errors import ContractError
from aistratus_router.errors import RouterError
from aistratus_router.fleet.group import Group
from aistratus_router.fleet.round import Done, FleetRound
from aistratus_router.log import describe, logger
from aistratus_router.ports import Ports
from aistratus_router.registry import Addresses
from aistratus_router.steward.reconciling import Outcome, Patience, Reconciler
from aistratus_router.steward.redelivery import Finding, Redelivery
from aistratus_router.store.dead_letters import DeadLetter, DeadLetters
from aistratus_router.store.fleet import FleetStore
from aistratus_router.store.job_queue import JobQueue
from aistratus_router.store.jobs import JobStore
from aistratus_router.store.open_jobs import OpenJobs
from aistratus_router.store.table import Table

# The most that one sweep does; the next is a minute away. Jobs left to wait do not count.
MAX_JOBS_PER_RUN: Final = 500
MAX_DEAD_LETTERS_PER_RUN: Final = 100
# A sweep stops with this much of the function's time left, for the call in progress.
RESERVE_SECONDS: Final = 15.0

PUT_BACK: Final = "put_back"
DEAD: Final = "dead"  # dead letters that stay, for `make redrive`
FAILED: Final = "failed"

# An error in one job does not stop the others. Any other error (a bug) ends the sweep.
_TROUBLE: Final = (BotoCoreError, ClientError, ContractError, RouterError)


class Unfinished(RouterError):
    """A sweep left something undone; the next one tries again."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """One sweep. Two at once do no harm, and the next one finishes what a crashed one left."""

    ports: Ports
    patience: Patience = field(default_factory=Patience)

    def run(self, left_seconds: Callable[[], float] = lambda: float("inf")) -> dict[str, int]:
        """Sweep and count what was done; raises `Unfinished` if any of it failed."""
        ports, addresses = self.ports, self.ports.registry.read()
        table = Table(ports.dynamodb, addresses.table_name)
        queue = JobQueue(ports.sqs, addresses.queue_url)
        jobs, open_jobs = JobStore(table), OpenJobs(table, queue)
        dead_letters = DeadLetters(ports.sqs, addresses.dead_letter_queue_url)

        def has_time() -> bool:
            return left_seconds() >= RESERVE_SECONDS

        # First: the fleet costs money, so it must not wait for a long list of jobs.
        done = _look_at_fleet(ports, addresses, FleetStore(table), open_jobs)
        reconciler = Reconciler(jobs, open_jobs, table.name, self.patience, ports.clock)
        done += _reconcile_all(reconciler, has_time)
        sorting = _Sorting(Redelivery(jobs, open_jobs, queue, dead_letters), open_jobs, ports)
        done += sorting.run(has_time)
        counts = {name: number for name, number in sorted(done.items()) if number}
        logger.info("the sweep is done", counts=counts)
        if done[FAILED]:
            raise Unfinished(
                f"{done[FAILED]} steps of the sweep failed; the next sweep tries them again."
            )
        return counts


def _look_at_fleet(
    ports: Ports, addresses: Addresses, store: FleetStore, open_jobs: OpenJobs
) -> Counter[str]:
    """Turn the GPU on or off if needed; an error here does not stop the jobs."""
    done: Counter[str] = Counter()
    if not addresses.group_name:
        return done
    group = Group(ports.autoscaling, addresses.group_name)
    look = FleetRound(
        store, group, open_jobs, ports.clock, addresses.idle_timeout_seconds, addresses.schedule
    )
    try:
        outcome = look.run()
    except _TROUBLE as error:
        done[FAILED] += 1
        logger.error("checking the fleet failed", **describe(error))
        return done
    if outcome is not Done.NOTHING:
        done[f"fleet_{outcome.value}"] += 1
    return done


def _reconcile_all(reconciler: Reconciler, has_time: Callable[[], bool]) -> Counter[str]:
    """Reconcile open jobs, up to the limit of one sweep."""
    done: Counter[str] = Counter()
    for entry in reconciler.open_jobs.oldest_first():
        if done.total() >= MAX_JOBS_PER_RUN or not has_time():
            logger.warning(
                "there are more open jobs than one sweep handles; the next one continues"
            )
            break
        try:
            outcome = reconciler.reconcile(entry)
        except _TROUBLE as error:
            done[FAILED] += 1
            logger.error("reconciling an open job failed", job_id=entry.job_id, **describe(error))
            continue
        if outcome is not Outcome.WAITS:
            done[outcome.value] += 1
        if outcome in (Outcome.SENT_AGAIN, Outcome.CANCELLED):
            logger.warning("a lost job was found", job_id=entry.job_id, outcome=outcome)
    return done


@dataclass(frozen=True, slots=True)
class _Sorting:
    """The dead-letter queue: what SQS moved there goes back once; the rest waits for a person."""

    redelivery: Redelivery
    open_jobs: OpenJobs
    ports: Ports

    def run(self, has_time: Callable[[], bool]) -> Counter[str]:
        done: Counter[str] = Counter()
        try:
            with self.redelivery.dead_letters.held(MAX_DEAD_LETTERS_PER_RUN) as dead_letters:
                for dead_letter in dead_letters:
                    if not has_time():
                        break
                    done[self._sort(dead_letter)] += 1
        except _TROUBLE as error:
            done[FAILED] += 1
            logger.error("reading the dead-letter queue failed", **describe(error))
        return done

    def _sort(self, dead_letter: DeadLetter) -> str:
        try:
            return PUT_BACK if self._goes_back(dead_letter) else DEAD
        except _TROUBLE as error:
            logger.error(
                "handling a dead letter failed", job_id=dead_letter.job_id, **describe(error)
            )
            return FAILED

    def _goes_back(self, dead_letter: DeadLetter) -> bool:
        """Put a dead letter back if it may go back, and say whether it did."""
        found = self.redelivery.examine(dead_letter)
        job_id, fate = dead_letter.job_id, found.fate.value
        # A worker writes a reason just before it ends the job; that is not ours to undo.
        if found.can_go_back and not dead_letter.reason and self._is_first_time(found):
            self.redelivery.put_back(found)
            logger.warning("a dead letter was put back", job_id=job_id, fate=fate)
            return True
        logger.info(
            "a dead letter stays in its queue; make redrive lists it", job_id=job_id, fate=fate
        )
        return False

    def _is_first_time(self, found: Finding) -> bool:
        """Whether an open job's message goes back for the first time; its entry records that.

        A message that only another release can read has no entry here, and goes back each time.
        The queue redelivers it for hours before it returns, and by then that release may be there.
        """
        if found.record is None:
            return True
        entry = self.open_jobs.find(found.record.job)
        return entry is not None and self.open_jobs.put_back(
            entry, found.dead_letter.message_id, self.ports.clock()
        )
