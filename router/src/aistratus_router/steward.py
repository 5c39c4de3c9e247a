"""The Lambda entry of the steward: `aistratus_router.steward.handler`, called every minute.

It stands outside of everything that can crash, and finishes what was left: jobs that are stored
and were never sent.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext
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
    """A round of the steward left something undone; the next one tries again."""


@dataclass(frozen=True, slots=True)
class Steward:
    """One round."""

    ports: Ports

    def run(self) -> dict[str, int]:
        """Send what lies in the outbox; raises `Unfinished` if some of it could not be sent."""
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
        logger.info("the outbox is seen to", sent=sent, failed=failed)
        if failed:
            raise Unfinished(f"{failed} jobs could not be sent; they stay in the outbox.")
        return {"sent": sent}


_steward = Steward(Ports.from_environment(os.environ))


def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, int]:  # noqa: ARG001
    """One round, on a schedule; what the event says does not matter."""
    return _steward.run()
