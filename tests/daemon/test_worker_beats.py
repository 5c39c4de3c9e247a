"""A long job is held by heartbeats, also where many of them fail."""

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from support.cloud import Cloud, emulated_cloud, states_of
from support.fault_proxy import Exchange, FaultProxy, Weather
from support.scripted_engine import scripted_engine
from support.worker_process import running_worker

VISIBILITY_SECONDS = 1
LENGTH_IN_TIMEOUTS = 20


@contextmanager
def failing_proxy(endpoint: str, weather: Weather, seen: list[Exchange]) -> Iterator[FaultProxy]:
    """A proxy in a thread of its own."""
    address = urlsplit(endpoint)
    chance = random.Random(5)  # noqa: S311 - the same failures each time
    proxy = FaultProxy(str(address.hostname), int(address.port or 0), chance, seen.append, "worker")
    started = threading.Event()
    loop = asyncio.new_event_loop()
    over = asyncio.Event()

    async def serve() -> None:
        async with proxy.running():
            proxy.weather = weather
            started.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert started.wait(10)
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


def test_a_job_of_20_visibility_timeouts_is_received_once_though_30_of_100_beats_fail(
    tmp_path: Path,
) -> None:
    seen: list[Exchange] = []
    weather = Weather(broken=0.3, action="ChangeMessageVisibilityBatch")
    with emulated_cloud() as cloud, scripted_engine(tmp_path) as engine:
        cloud.sqs.set_queue_attributes(
            QueueUrl=cloud.queue_url, Attributes={"VisibilityTimeout": str(VISIBILITY_SECONDS)}
        )
        with failing_proxy(cloud.endpoint, weather, seen) as proxy:
            beyond: Cloud = replace(cloud, endpoint=proxy.url)
            with running_worker(beyond, engine.socket_path, tmp_path) as worker:
                job = cloud.put_job("the alphabet, slowly")
                request = engine.next_request()
                assert not engine.is_asked_within(VISIBILITY_SECONDS * LENGTH_IN_TIMEOUTS)
                engine.finish(request)
                cloud.until_end(job)
                cloud.until_queue_is_empty()
            log, events = worker.log(), cloud.events(job)
    failed = sum("heartbeat failed" in line["message"] for line in log)
    beats = sum(exchange.action == "ChangeMessageVisibilityBatch" for exchange in seen)
    received = sum(
        exchange.action == "ReceiveMessage" and "Messages" in exchange.answer.json
        for exchange in seen
    )
    assert failed > 0.2 * beats, "the beats did fail"
    assert beats >= 3 * LENGTH_IN_TIMEOUTS * 0.7
    assert received == 1
    assert states_of(events) == ["queued", "running", "succeeded"]
