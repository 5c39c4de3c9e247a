"""The rig: an emulator, instances, a load, and faults after a seeded plan. What comes of it is a
history, which the checker judges.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

from aistratus_contracts import table
from support.cloud import TABLE, Cloud, provisioned
from support.emulator_process import running_emulator_process
from support.fault_proxy import Exchange, FaultProxy, Weather
from system.faults.checker import Violation, check
from system.faults.history import Disturbed, History, Left, Logged
from system.faults.instance import Instance, Peculiarities
from system.faults.load import Load
from system.faults.plan import KILLS, Fault, Kind, plan
from system.faults.recorder import Recorder

PROGRESS_SECONDS: Final = 5.0
START_SECONDS: Final = 60.0
# Long enough for every message to come back and every job to be tried again, one after the other.
SETTLE_SECONDS: Final = 120.0
# Its own end, the rig's SIGKILL, and a SIGTERM that came while Python was still starting.
CLEAN_EXITS: Final = (0, -9, -15)
READERS_WEATHER: Final = Weather(latency_seconds=0.05, resets=0.05)
# One clock goes an hour ahead; another instance cannot write its log.
PECULIAR: Final = (
    Peculiarities(is_disk_full=True),
    Peculiarities(clock_skew_seconds=3600.0),
)


@dataclass(frozen=True, slots=True)
class Orders:
    """What a run is to do. It ends when it has seen so many jobs, kills and stops, or in time."""

    seed: int
    workers: int = 3
    jobs: int = 1000
    kills: int = 0
    stops: int = 0
    seconds: float = float("inf")
    mean_pause: float = 1.5
    clients: int = 12
    step_seconds: float = 0.04
    visibility_seconds: int = 4


@dataclass
class Outcome:
    """What came of a run."""

    orders: Orders
    history: History
    violations: list[Violation]
    wall_seconds: float
    hang_ups: int
    resets: int
    unclean_exits: list[int] = field(default_factory=list)


def run(orders: Orders, folder: Path, tell: Callable[[str], None]) -> Outcome:
    """A whole run; logs go into `folder`, progress to `tell`."""
    with running_emulator_process() as endpoint:
        cloud = provisioned(endpoint)
        cloud.sqs.set_queue_attributes(
            QueueUrl=cloud.queue_url,
            Attributes={"VisibilityTimeout": str(orders.visibility_seconds)},
        )
        return asyncio.run(_Rig(orders, folder, cloud, tell).run())


class _Rig:
    def __init__(
        self, orders: Orders, folder: Path, cloud: Cloud, tell: Callable[[str], None]
    ) -> None:
        self._orders = orders
        self._cloud = cloud
        self._tell = tell
        self._history = History()
        self._recorder = Recorder(self._history)
        self._began = monotonic()
        self._struck: dict[Kind, int] = dict.fromkeys(Kind, 0)
        self._readers = self._proxy(seed=1)
        self._instances = [self._instance(folder, number) for number in range(orders.workers)]
        self._load = Load(cloud, self._readers, self._history, self._chance(2), self._wants_more)

    async def run(self) -> Outcome:
        """Everything, from the first process to the verdict."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._readers.running())
            for instance in self._instances:
                await stack.enter_async_context(instance.running())
            async with asyncio.timeout(START_SECONDS):
                for instance in self._instances:
                    await instance.until_up()
            self._began = monotonic()
            self._readers.weather = READERS_WEATHER
            await self._ask_and_strike()
            self._readers.weather = Weather()
            left = await self._until_settled()
            await asyncio.to_thread(self._read_logs)
            self._history.add(left)
        resets = self._readers.resets + sum(each.proxy.resets for each in self._instances)
        codes = [
            code for each in self._instances for code in each.exit_codes if code not in CLEAN_EXITS
        ]
        return Outcome(
            self._orders,
            self._history,
            check(self._history),
            monotonic() - self._began,
            self._load.hang_ups,
            resets,
            codes,
        )

    async def _ask_and_strike(self) -> None:
        asking = asyncio.create_task(self._load.run(self._orders.clients))
        striking = asyncio.create_task(self._strike(asking))
        progress = asyncio.create_task(self._report())
        try:
            await striking
            await asyncio.wait({asking}, timeout=SETTLE_SECONDS)
        finally:
            progress.cancel()
            asking.cancel()
            await asyncio.wait({asking, progress})
        if not asking.cancelled():
            asking.result()
        self._tell(self._progress())

    async def _strike(self, asking: "asyncio.Task[None]") -> None:
        """Carry out the plan for as long as there is somebody who asks."""
        orders = self._orders
        faults = plan(orders.seed, orders.workers, orders.mean_pause, orders.visibility_seconds)
        async with asyncio.TaskGroup() as group:
            for fault in faults:
                await asyncio.wait({asking}, timeout=fault.pause)
                if asking.done() or not self._wants_more():
                    return
                group.create_task(self._strike_once(fault))

    async def _strike_once(self, fault: Fault) -> None:
        if await self._instances[fault.instance].strike(fault):
            self._struck[fault.kind] += 1

    def _wants_more(self) -> bool:
        orders = self._orders
        if monotonic() - self._began > orders.seconds:
            return False
        return (
            self._load.asked < orders.jobs
            or self._kills < orders.kills
            or self._struck[Kind.STOP_WORKER] < orders.stops
        )

    @property
    def _kills(self) -> int:
        return sum(self._struck[kind] for kind in KILLS)

    async def _until_settled(self) -> Left:
        """What the queue holds once it is empty, or once it should have been."""
        deadline = monotonic() + 3 * self._orders.visibility_seconds + 5
        while True:
            visible, held = await asyncio.to_thread(self._cloud.messages)
            if (visible, held) == (0, 0) or monotonic() > deadline:
                return Left(monotonic(), visible, held)
            await asyncio.sleep(0.1)

    def _read_logs(self) -> None:
        pages = self._cloud.dynamodb.get_paginator("scan").paginate(TableName=TABLE)
        prefix = table.job_partition("")
        items = [item for page in pages for item in page["Items"] if table.is_event(item)]
        for item in sorted(items, key=lambda item: (item["pk"]["S"], item["sk"]["S"])):
            job = item["pk"]["S"].removeprefix(prefix)
            self._history.add(Logged(monotonic(), job, item["event"]["S"]))

    async def _report(self) -> None:
        told = 0
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            self._tell(self._progress())
            for violation in self._load.violations[told:]:
                self._tell(str(violation))
            told = len(self._load.violations)

    def _progress(self) -> str:
        seconds = monotonic() - self._began
        load = self._load
        return (
            f"[{seconds:5.0f} s] jobs {load.ended}/{max(load.asked, self._orders.jobs)}"
            f" · {load.ended / seconds:.1f} a second · kills {self._kills}"
            f" · stops {self._struck[Kind.STOP_WORKER]} · faults {sum(self._struck.values())}"
            f" · violations {len(load.violations)}"
        )

    def _instance(self, folder: Path, number: int) -> Instance:
        name = f"w{number + 1}"
        own = folder / name
        own.mkdir()
        proxy = self._proxy(seed=10 + number)
        instance = Instance(
            name,
            own,
            self._cloud.environment(),
            proxy,
            self._chance(100 + number),
            self._orders.step_seconds,
            self._record,
            PECULIAR[number] if number < len(PECULIAR) else Peculiarities(),
        )

        def observe(exchange: Exchange) -> None:
            instance.heard(exchange.label)
            self._recorder.hear(exchange)

        proxy.observe = observe
        return instance

    def _record(self, disturbed: Disturbed) -> None:
        self._history.add(disturbed)

    def _proxy(self, seed: int) -> FaultProxy:
        address = urlsplit(self._cloud.endpoint)
        assert address.hostname is not None
        assert address.port is not None
        return FaultProxy(address.hostname, address.port, self._chance(seed))

    def _chance(self, number: int) -> random.Random:
        return random.Random(self._orders.seed * 1000 + number)  # noqa: S311 - no secret
