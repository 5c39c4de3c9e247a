"""The worker's signs of life: that it lives, and what it is doing.

They are for people and for the steward. No job depends on them: the queue knows what a worker
holds, and the table knows who may write to a log.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from aistratus_contracts.limits import SIGN_OF_LIFE_SECONDS
from aistratus_contracts.table import SignOfLife
from aistratus_daemon.worker.engine_client import EngineClient
from aistratus_daemon.worker.store import JobStore

log = logging.getLogger("worker")

T = TypeVar("T")


@dataclass(frozen=True)
class Heartbeat:
    """Rewrites one item in the table periodically. `held_jobs` counts the jobs that are held."""

    store: JobStore
    engine: EngineClient
    worker_id: str
    held_jobs: Callable[[], int]

    async def run(self, drained: asyncio.Event) -> None:
        """Give signs of life from when the engine is first ready until `drained`, then delete them.

        If the engine goes away later, the signs say so.
        """
        end = asyncio.create_task(drained.wait())
        ready = asyncio.create_task(self.engine.ready())
        await asyncio.wait({end, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if end.done():
            return
        while not end.done():
            await self._try(self.store.put_sign_of_life, self._sign())
            await asyncio.wait({end}, timeout=SIGN_OF_LIFE_SECONDS)
        await self._try(self.store.delete_sign_of_life, self.worker_id)

    def _sign(self) -> SignOfLife:
        stats = self.engine.stats
        return SignOfLife(
            worker_id=self.worker_id,
            seen_at=self.store.clock(),
            slots=self.engine.slots,
            held_jobs=self.held_jobs(),
            stats={} if stats is None else asdict(stats),
        )

    async def _try(self, write: Callable[[T], None], what: T) -> None:
        try:
            await asyncio.to_thread(write, what)
        except (BotoCoreError, ClientError) as error:
            log.warning("A sign of life could not be written: %s", error)
