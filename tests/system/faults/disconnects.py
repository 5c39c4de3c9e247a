"""Readers over a bad line: the client's own `follow`, a proxy that resets, the router's handler.

Each reader's transcript must be the log, byte by byte, however often its connection broke.
"""

import asyncio
import os
import random
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

from aistratus_contracts import table
from aistratus_contracts.event import Delta, Event, EventBody, StateChange, encode_event
from aistratus_contracts.job import Cursor, Job, Sampling, new_conversation_id, new_job_id
from aistratus_contracts.states import FinishReason, JobState
from aistratus_contracts.table import JobRecord
from aistratus_desktop.gateway import GatewayClient, GatewayError, Pace
from support.engine_process import ROOT
from support.fault_proxy import FaultProxy, Weather
from support.router_api import Emulator, running_emulator
from system.faults.checker import Violation, check, nothing_taken_back
from system.faults.history import History, Logged, Seen
from system.faults.instance import python_path

READERS: Final = 80
DELTAS: Final = 100
# A job's log grows while it is read.
EVENT_SECONDS: Final = 0.05
WEATHER: Final = Weather(latency_seconds=0.5, resets=0.7)
PROGRESS_SECONDS: Final = 5.0
_PREFIX: Final = "/aistratus/readers"


@dataclass(frozen=True)
class Reading:
    """What came of it."""

    figures: dict[str, Any]
    violations: list[Violation]


class _Token:
    async def access_token(self) -> str:
        return "ann"

    async def refresh(self) -> None:
        raise AssertionError("the token is good")


def run(
    seed: int,
    disconnects: int,
    tell: Callable[[str], None],
    *,
    readers: int = READERS,
    deltas: int = DELTAS,
) -> Reading:
    """Read, job after job, until connections have broken so many times."""
    with running_emulator() as emulator:
        name, queue_url = emulator.create()
        emulator.register(_PREFIX, name, queue_url)
        with _router(emulator) as url:
            crowd = _Readers(emulator, name, url, seed, disconnects, tell, readers, deltas)
            return asyncio.run(crowd.run())


@contextmanager
def _router(emulator: Emulator) -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-m", "support.router_server"],
        env={
            **os.environ,
            **emulator.environment(_PREFIX),
            "PYTHONPATH": python_path(ROOT / "tests"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as router:
        try:
            assert router.stdout is not None
            url = router.stdout.readline().removeprefix("ready ").strip()
            # The handler logs to where it said that: somebody must take it away.
            threading.Thread(target=deque, args=(router.stdout, 0), daemon=True).start()
            yield url
        finally:
            router.terminate()


@dataclass
class _Readers:
    emulator: Emulator
    table: str
    router_url: str
    seed: int
    wanted: int
    tell: Callable[[str], None]
    readers: int
    deltas: int
    _history: History = field(default_factory=History)
    _names: "count[int]" = field(default_factory=count)
    _transcripts: int = 0
    _given_up: list[Violation] = field(default_factory=list)

    def __post_init__(self) -> None:
        address = urlsplit(self.router_url)
        assert address.hostname is not None
        assert address.port is not None
        self._chance = random.Random(self.seed)  # noqa: S311 - to be repeated, no secret
        self._proxy = FaultProxy(address.hostname, address.port, self._chance)
        self._dynamodb = self.emulator.client("dynamodb")

    async def run(self) -> Reading:
        began = monotonic()
        async with self._proxy.running():
            self._proxy.weather = WEATHER
            progress = asyncio.create_task(self._report())
            while self._proxy.resets < self.wanted:
                await self._one_job()
            progress.cancel()
        violations = check(self._history, (nothing_taken_back,)) + self._given_up
        return Reading(
            {
                "disconnects": self._proxy.resets,
                "transcripts": self._transcripts,
                "events_seen": len(self._history.all(Seen)),
                "not_identical": len(violations),
                "latency_seconds": WEATHER.latency_seconds,
                "wall_seconds": round(monotonic() - began, 1),
            },
            violations,
        )

    async def _one_job(self) -> None:
        """A job whose log grows while everybody reads it, from its beginning to its end."""
        record = await asyncio.to_thread(self._begin)
        async with asyncio.TaskGroup() as group:
            for _ in range(self.readers):
                group.create_task(self._read(record.job.job_id))
            group.create_task(self._write(record))
        answer = await asyncio.to_thread(self._log, record.job.job_id)
        for raw in answer:
            self._history.add(Logged(monotonic(), record.job.job_id, raw))

    async def _read(self, job_id: str) -> None:
        name = f"reader-{next(self._names)}"
        last = 0
        try:
            async with GatewayClient(self._proxy.url, _Token(), pace=_PACE) as client:
                async for event in client.follow(job_id):
                    self._history.add(Seen(monotonic(), name, job_id, encode_event(event)))
                    last = event.seq
        except GatewayError as error:
            self._given_up.append(Violation("gave up", job_id, f"{name} after {last}: {error}"))
        else:
            self._transcripts += 1

    def _begin(self) -> JobRecord:
        now = datetime.now(UTC)
        job = Job(
            job_id=new_job_id(),
            owner="ann",
            conversation_id=new_conversation_id(),
            turn=1,
            model="small",
            sampling=Sampling(max_tokens=self.deltas, temperature=0.0),
            created_at=now,
            expires_at=table.expiry_of(now),
        )
        record = JobRecord(job, Cursor(JobState.QUEUED, 0, 2))
        first = Event(1, 0, now, StateChange(JobState.QUEUED))
        for item in (*table.job_items(record), table.event_item(job, first)):
            self._dynamodb.put_item(TableName=self.table, Item=item)
        return record

    async def _write(self, record: JobRecord) -> None:
        record = await self._append(record, StateChange(JobState.RUNNING), new_attempt=True)
        for number in range(self.deltas):
            await asyncio.sleep(EVENT_SECONDS * self._chance.uniform(0.5, 1.5))
            record = await self._append(record, Delta(f"{number} ☁ ", (number,)))
        await self._append(record, StateChange(JobState.SUCCEEDED, FinishReason.STOP))

    async def _append(
        self, record: JobRecord, body: EventBody, *, new_attempt: bool = False
    ) -> JobRecord:
        append = table.append(
            self.table, record, [body], datetime.now(UTC), new_attempt=new_attempt
        )
        await asyncio.to_thread(
            self._dynamodb.transact_write_items, TransactItems=append.transact_items
        )
        return JobRecord(record.job, append.cursor)

    def _log(self, job_id: str) -> list[str]:
        answer = self._dynamodb.query(
            TableName=self.table,
            ConsistentRead=True,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :events)",
            ExpressionAttributeValues={
                ":pk": {"S": table.job_partition(job_id)},
                ":events": {"S": table.EVENT_PREFIX},
            },
        )
        return [item["event"]["S"] for item in answer["Items"]]

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            self.tell(f"disconnects {self._proxy.resets}/{self.wanted}")


async def _short_nap(seconds: float) -> None:
    await asyncio.sleep(seconds / 10)


# The client's own pauses, a tenth as long: there are ten thousand of them.
_PACE: Final = Pace(sleep=_short_nap)
