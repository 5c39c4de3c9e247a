"""What the steward does with the outbox: send what nobody has sent."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from aistratus_router.log import describe, logger
from aistratus_router.outbox import Outbox
from aistratus_router.ports import Ports
from aistratus_router.problems import RouterError
from aistratus_router.queue import JobQueue
from aistratus_router.table_access import Table

# A request that is still at it sends its job itself.
UNSENT_AFTER_SECONDS: Final = 30


class Unfinished(RouterError):
    """A sweep left something undone; the next one tries again."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """One look through the outbox."""

    ports: Ports

    def run(self) -> dict[str, int]:
        """Send what is old; raises `Unfinished` if some of it could not be sent."""
        addresses = self.ports.registry.read()
        outbox = Outbox(
            Table(self.ports.dynamodb, addresses.table_name),
            JobQueue(self.ports.sqs, addresses.queue_url),
        )
        sent = failed = 0
        before = self.ports.clock() - timedelta(seconds=UNSENT_AFTER_SECONDS)
        for job in outbox.stored_before(before):
            try:
                outbox.send(job.job_id, job.conversation_id)
                sent += 1
            except (BotoCoreError, ClientError) as error:
                failed += 1
                logger.error("a job could not be sent", job_id=job.job_id, **describe(error))
        logger.info("the outbox is swept", sent=sent, failed=failed)
        if failed:
            raise Unfinished(f"{failed} jobs could not be sent; they stay in the outbox.")
        return {"sent": sent}
