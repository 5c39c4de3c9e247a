"""`python -m aistratus_daemon.worker`: the service with the network and no devices."""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from aistratus_daemon.environment import Environment
from aistratus_daemon.errors import SettingsError
from aistratus_daemon.logs import start_logging
from aistratus_daemon.notify import (
    READY,
    STOPPING,
    Notifier,
    Watchdog,
    connect,
    extend_timeout,
)
from aistratus_daemon.worker.consumer import Consumer
from aistratus_daemon.worker.engine_client import EngineClient
from aistratus_daemon.worker.heartbeat import Heartbeat
from aistratus_daemon.worker.interruption import AutoScaling, Interruption
from aistratus_daemon.worker.jobs_queue import JobsQueue
from aistratus_daemon.worker.last_job import LastJob
from aistratus_daemon.worker.metrics import Metrics
from aistratus_daemon.worker.settings import WorkerSettings, read_settings
from aistratus_daemon.worker.store import JobStore
from aistratus_daemon.worker.suspects import Suspects

log = logging.getLogger("worker")

# Concurrent calls to AWS: one receive, one beat, and appends that mostly take milliseconds.
CLOUD_THREADS: Final = 32
WATCHDOG_TICK_SECONDS: Final = 1.0
# A drain takes well under a second. If AWS does not answer it may take this long: five tries of
# 10 s for a commit, and less to release a message. Spot gives two minutes.
DRAIN_SECONDS: Final = 90.0
# The worker itself retries beats, and sooner.
BEAT_CONFIG: Final = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 1})


def main() -> int:
    """Run until SIGTERM or SIGINT; 2 for bad settings, 4 when AWS cannot be reached."""
    start_logging("worker")
    config = Config(
        connect_timeout=3,
        read_timeout=10,
        retries={"mode": "standard", "total_max_attempts": 5},
        max_pool_connections=CLOUD_THREADS,
        # botocore builds its own long user agent for each call, an eighth of a commit's time.
        user_agent="aistratus-worker",
    )
    try:
        notifier = connect()
        session = boto3.Session()
        settings = read_settings(Environment(), session.client("ssm", config=config))
        queue = JobsQueue.connect(
            session.client("sqs", config=config),
            session.client("sqs", config=config.merge(BEAT_CONFIG)),
            settings.queue_url,
            settings.dead_letter_queue_url,
        )
        store = JobStore(
            session.client("dynamodb", config=config),
            settings.table_name,
            moved_on=LastJob(settings.last_job).moved,
        )
    except SettingsError as error:
        log.error("%s", error)
        return 2
    except (BotoCoreError, ClientError) as error:
        log.error("AWS cannot be reached: %s Check the region and the instance's role.", error)
        return 4

    def autoscaling() -> AutoScaling:
        client: AutoScaling = session.client("autoscaling", config=config)
        return client

    asyncio.run(_serve(settings, queue, store, autoscaling, notifier))
    return 0


async def _serve(
    settings: WorkerSettings,
    queue: JobsQueue,
    store: JobStore,
    autoscaling: Callable[[], AutoScaling],
    notifier: Notifier,
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(CLOUD_THREADS, thread_name_prefix="cloud"))
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    interruption = Interruption(settings.imds, stopping) if settings.imds is not None else None
    if interruption is not None:
        # Before the first message: a worker restarted on an ending instance takes none.
        await interruption.look()
    suspects = Suspects()
    engine = EngineClient(
        settings.engine_socket, Metrics(settings.environment).take, suspects.engine_lost
    )
    consumer = Consumer(queue, store, engine, suspects, stopping)
    drained = asyncio.Event()
    heartbeat = Heartbeat(store, engine, settings.worker_id, consumer.held, settings.engine_refusal)
    signs_of_life = asyncio.create_task(heartbeat.run(drained))
    helpers = [
        signs_of_life,
        asyncio.create_task(engine.run()),
        asyncio.create_task(_feed(Watchdog(notifier))),
        asyncio.create_task(_announce_stop(stopping, notifier)),
    ]
    if interruption is not None:
        helpers.append(asyncio.create_task(interruption.watch()))
    log.info("Started.", extra={"WORKER": settings.worker_id})
    notifier(READY)
    try:
        await consumer.run()
        log.info("Drained.")
        drained.set()
        await signs_of_life
        if interruption is not None and interruption.sign and settings.termination_hook:
            await interruption.complete(autoscaling(), settings.termination_hook)
    finally:
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
    log.info("Stopped; everything held was given back.")


async def _announce_stop(stopping: asyncio.Event, notifier: Notifier) -> None:
    await stopping.wait()
    notifier(f"{STOPPING}\n{extend_timeout(DRAIN_SECONDS)}")


async def _feed(watchdog: Watchdog) -> None:
    while True:
        watchdog.feed()
        await asyncio.sleep(WATCHDOG_TICK_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
