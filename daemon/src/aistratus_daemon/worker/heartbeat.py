"""The worker's signs of life: that it lives, and what it is doing.

They are for people and for the steward. No job depends on them: the queue knows what a worker
holds, and the table knows who may write to a log.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from aistratus_contracts.limits import MAX_REFUSAL_CHARS, SIGN_OF_LIFE_SECONDS
from aistratus_contracts.table import SignOfLife
from aistratus_daemon.frames import Ready
from aistratus_daemon.worker.engine_client import EngineClient
from aistratus_daemon.worker.store import JobStore

log = logging.getLogger("worker")

T = TypeVar("T")

# How often to look for the word of an engine that does not come. It is a file in memory.
REFUSAL_LOOK_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Heartbeat:
    """Rewrites one item in the table periodically. `held_jobs` counts the jobs that are held.

    `refusal_file`: where an engine that will not start leaves its reason, None if it leaves none.
    """

    store: JobStore
    engine: EngineClient
    worker_id: str
    held_jobs: Callable[[], int]
    refusal_file: Path | None = None

    async def run(self, drained: asyncio.Event) -> None:
        """Give signs of life from when the engine is first ready until `drained`, then delete them.

        If the engine goes away later, the signs say so. If it refuses to start, one sign says why,
        and stays: the instance may be turned off at once.
        """
        end = asyncio.create_task(drained.wait())
        ready = asyncio.create_task(self.engine.ready())
        await self._until_ready(end, ready)
        ready.cancel()
        if end.done():
            return
        while not end.done():
            await self._try(self.store.put_sign_of_life, self._sign())
            await asyncio.wait({end}, timeout=SIGN_OF_LIFE_SECONDS)
        await self._try(self.store.delete_sign_of_life, self.worker_id)

    async def _until_ready(self, end: "asyncio.Task[bool]", ready: "asyncio.Task[Ready]") -> None:
        """Wait until one of them is done; meanwhile report each new refusal of the engine's."""
        told = ""
        pause = None if self.refusal_file is None else REFUSAL_LOOK_SECONDS
        while not (end.done() or ready.done()):
            await asyncio.wait({end, ready}, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            said = self._refusal()
            if said != told and not (end.done() or ready.done()):
                told = said
                if said:
                    log.error("The engine refuses to start: %s", said)
                    await self._try(
                        self.store.put_sign_of_life, replace(self._sign(), refusal=said)
                    )

    def _refusal(self) -> str:
        """The engine's last word, on one line; empty if it has left none."""
        if self.refusal_file is None:
            return ""
        try:
            with self.refusal_file.open(encoding="utf-8", errors="replace") as file:
                return " ".join(file.read(4 * MAX_REFUSAL_CHARS).split())[:MAX_REFUSAL_CHARS]
        except OSError:
            return ""

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
