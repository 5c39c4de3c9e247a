"""The steward's round: the fleet, then the open jobs, oldest first, then the dead-letter queue."""

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
from aistratus_router.store.dead_letters import DeadLetters, Letter
from aistratus_router.store.fleet import FleetStore
from aistratus_router.store.job_queue import JobQueue
from aistratus_router.store.jobs import JobStore
from aistratus_router.store.open_jobs import OpenJobs
from aistratus_router.store.table import Table

# The most that one round does; the next is a minute away. Jobs left to wait do not count.
MAX_JOBS_PER_RUN: Final = 500
MAX_LETTERS_PER_RUN: Final = 100
# A round stops with this much of the function's time left, for the call in progress.
RESERVE_SECONDS: Final = 15.0

PUT_BACK: Final = "put_back"
DEAD: Final = "dead"  # dead letters that stay, for `make redrive`
FAILED: Final = "failed"

# An error in one job does not stop the others. Any other error (a bug) ends the round.
_TROUBLE: Final = (BotoCoreError, ClientError, ContractError, RouterError)


class Unfinished(RouterError):
    """A sweep left something undone; the next one tries again."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """One round. Two at once do no harm, and the next one finishes what a crashed one left."""

    ports: Ports
    patience: Patience = field(default_factory=Patience)

    def run(self, left_seconds: Callable[[], float] = lambda: float("inf")) -> dict[str, int]:
        """Do the round and count what was done; raises `Unfinished` if any of it failed."""
        ports, addresses = self.ports, self.ports.registry.read()
        table = Table(ports.dynamodb, addresses.table_name)
        queue = JobQueue(ports.sqs, addresses.queue_url)
        jobs, open_jobs = JobStore(table), OpenJobs(table, queue)
        letters = DeadLetters(ports.sqs, addresses.dead_letter_queue_url)

        def has_time() -> bool:
            return left_seconds() >= RESERVE_SECONDS

        # First: the fleet costs money, so it must not wait for a long list of jobs.
        done = _look_at_fleet(ports, addresses, FleetStore(table), open_jobs)
        reconciler = Reconciler(jobs, open_jobs, table.name, self.patience, ports.clock)
        done += _settle_all(reconciler, has_time)
        sorting = _Sorting(Redelivery(jobs, open_jobs, queue, letters), open_jobs, ports)
        done += sorting.run(has_time)
        counts = {name: number for name, number in sorted(done.items()) if number}
        logger.info("the open jobs are swept", counts=counts)
        if done[FAILED]:
            raise Unfinished(
                f"{done[FAILED]} things could not be seen to; the next round tries again."
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
    look = FleetRound(store, group, open_jobs, ports.clock, addresses.idle_timeout_seconds)
    try:
        outcome = look.run()
    except _TROUBLE as error:
        done[FAILED] += 1
        logger.error("the fleet is in trouble", **describe(error))
        return done
    if outcome is not Done.NOTHING:
        done[f"fleet_{outcome.value}"] += 1
    return done


def _settle_all(reconciler: Reconciler, has_time: Callable[[], bool]) -> Counter[str]:
    """Settle open jobs, up to the limit of one round."""
    done: Counter[str] = Counter()
    for entry in reconciler.open_jobs.oldest_first():
        if done.total() >= MAX_JOBS_PER_RUN or not has_time():
            logger.warning("there are more open jobs than fit in one round; the next goes on")
            break
        try:
            outcome = reconciler.settle(entry)
        except _TROUBLE as error:
            done[FAILED] += 1
            logger.error("an open job is in trouble", job_id=entry.job_id, **describe(error))
            continue
        if outcome is not Outcome.WAITS:
            done[outcome.value] += 1
        if outcome in (Outcome.SENT_AGAIN, Outcome.CANCELLED):
            logger.warning("a job was lost, and is found", job_id=entry.job_id, outcome=outcome)
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
            with self.redelivery.letters.held(MAX_LETTERS_PER_RUN) as letters:
                for letter in letters:
                    if not has_time():
                        break
                    done[self._sort(letter)] += 1
        except _TROUBLE as error:
            done[FAILED] += 1
            logger.error("the dead-letter queue is in trouble", **describe(error))
        return done

    def _sort(self, letter: Letter) -> str:
        try:
            return PUT_BACK if self._goes_back(letter) else DEAD
        except _TROUBLE as error:
            logger.error("a dead letter is in trouble", job_id=letter.job_id, **describe(error))
            return FAILED

    def _goes_back(self, letter: Letter) -> bool:
        """Put a letter back if it may go back, and say whether it did."""
        found = self.redelivery.examine(letter)
        job_id, fate = letter.job_id, found.fate.value
        # A worker writes a reason just before it ends the job; that is not ours to undo.
        if found.can_go_back and not letter.reason and self._is_first_time(found):
            self.redelivery.put_back(found)
            logger.warning("a dead letter goes back", job_id=job_id, fate=fate)
            return True
        logger.info("a dead letter stays; make redrive shows it", job_id=job_id, fate=fate)
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
            entry, found.letter.message_id, self.ports.clock()
        )
