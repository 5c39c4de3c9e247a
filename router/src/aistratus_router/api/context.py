"""The parts that serve one admitted request, assembled for its owner."""

from collections.abc import Callable

from aistratus_router.api.views import Views
from aistratus_router.fleet.control import Fleet
from aistratus_router.jobs.cancelling import Canceller
from aistratus_router.jobs.deleting import Remover
from aistratus_router.jobs.intake import Intake
from aistratus_router.jobs.places import Places
from aistratus_router.jobs.polling import Poller
from aistratus_router.jobs.readers import Readers
from aistratus_router.ports import Ports
from aistratus_router.registry import Addresses
from aistratus_router.store.conversations import ConversationStore
from aistratus_router.store.job_queue import JobQueue
from aistratus_router.store.jobs import JobStore
from aistratus_router.store.open_jobs import OpenJobs
from aistratus_router.store.table import Table


class RequestContext:
    """Everything that one caller can ask for.

    `left_seconds` says how long the function may still run.
    """

    def __init__(
        self,
        ports: Ports,
        addresses: Addresses,
        owner: str,
        left_seconds: Callable[[], float],
    ) -> None:
        self.addresses = addresses
        self.owner = owner
        self.left_seconds = left_seconds
        self._ports = ports
        self._table = Table(ports.dynamodb, addresses.table_name)
        self._jobs = JobStore(self._table)
        self._conversations = ConversationStore(self._table, owner)
        self._open_jobs = OpenJobs(self._table, JobQueue(ports.sqs, addresses.queue_url))

    def intake(self) -> Intake:
        """Takes prompts in."""
        return Intake(
            jobs=self._jobs,
            conversations=self._conversations,
            open_jobs=self._open_jobs,
            places=self._places(),
            catalogue=self.addresses.catalogue,
            owner=self.owner,
            clock=self._ports.clock,
            sleep=self._ports.sleep,
        )

    def fleet(self) -> Fleet:
        """Starts, stops and shows instances."""
        return Fleet.of(self._ports, self.addresses)

    def set_idle_timeout(self, seconds: int) -> None:
        """Set it for the deployment; refuses with 409 where there is no fleet."""
        self.fleet().must_be_managed()
        self._ports.registry.set_idle_timeout(seconds)
        self.addresses = self._ports.registry.read()

    def poller(self) -> Poller:
        """Waits for events."""
        ports = self._ports
        readers = Readers(self._table, self.owner, ports.limits, ports.clock)
        return Poller(self._jobs, readers, ports.monotonic, ports.sleep, ports.clock)

    def canceller(self) -> Canceller:
        """Cancels jobs."""
        return Canceller(
            self._jobs,
            self._open_jobs,
            self.addresses.table_name,
            self.owner,
            self._ports.clock,
            self._ports.sleep,
        )

    def views(self) -> Views:
        """Shows jobs and conversations."""
        return Views(self._jobs, self._conversations, self.owner, self.fleet())

    def remover(self) -> Remover:
        """Deletes conversations."""
        return Remover(
            self._jobs,
            self._conversations,
            self._places(),
            self.owner,
            self.left_seconds,
            self._ports.clock,
        )

    def _places(self) -> Places:
        return Places(self._table, self.owner, self._ports.limits)
