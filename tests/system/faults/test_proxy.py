"""The proxy fails as it is told to, and tells what was really done."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from aistratus_contracts import table
from support.cloud import TABLE, Cloud, emulated_cloud
from support.fault_proxy import Exchange, FaultProxy, Weather
from support.http_frames import answer_of, read_message

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with emulated_cloud() as cloud:
        yield cloud


@asynccontextmanager
async def proxied(
    cloud: Cloud, weather: Weather, seed: int = 0
) -> AsyncIterator[tuple[FaultProxy, list[Exchange]]]:
    address = urlsplit(cloud.endpoint)
    heard: list[Exchange] = []
    chance = random.Random(seed)  # noqa: S311 - to be repeated, no secret
    proxy = FaultProxy(str(address.hostname), int(address.port or 0), chance, heard.append, "w1.1")
    async with proxy.running():
        proxy.weather = weather
        yield proxy, heard


def dynamodb(proxy: FaultProxy, read_timeout: float = 5.0) -> Any:
    """A client that tries once."""
    config = Config(retries={"total_max_attempts": 1}, read_timeout=read_timeout)
    session = boto3.Session("test", "test", region_name="eu-central-1")
    return session.client("dynamodb", endpoint_url=proxy.url, config=config)


def put(client: Any, name: str) -> Callable[[], Any]:
    return lambda: client.put_item(TableName=TABLE, Item=table.key("X", name))


def is_there(cloud: Cloud, name: str) -> bool:
    return "Item" in cloud.dynamodb.get_item(TableName=TABLE, Key=table.key("X", name))


async def tried(cloud: Cloud, weather: Weather, error: type[Exception]) -> tuple[set[str], int]:
    """Twelve writes in this weather: which were done though the client had an error, and heard."""
    done = set()
    async with proxied(cloud, weather) as (proxy, heard):
        client = dynamodb(proxy)
        for number in range(12):
            name = f"{weather}-{number}"
            with pytest.raises(error):
                await asyncio.to_thread(put(client, name))
            if is_there(cloud, name):
                done.add(name)
    return done, len(heard)


async def test_in_fair_weather_nothing_happens_but_that_it_is_heard(cloud: Cloud) -> None:
    async with proxied(cloud, Weather()) as (proxy, heard):
        await asyncio.to_thread(put(dynamodb(proxy), "fair"))
    assert is_there(cloud, "fair")
    (exchange,) = heard
    assert (exchange.label, exchange.action, exchange.answer.status) == ("w1.1", "PutItem", 200)
    assert exchange.request.json["Item"]["sk"] == {"S": "fair"}
    assert exchange.began <= exchange.at


async def test_a_reset_comes_before_or_after_the_deed(cloud: Cloud) -> None:
    done, heard = await tried(cloud, Weather(resets=1.0), ConnectionClosedError)
    assert 0 < len(done) < 12
    assert heard == len(done)


async def test_an_internal_error_comes_before_or_after_the_deed(cloud: Cloud) -> None:
    done, heard = await tried(cloud, Weather(broken=1.0), ClientError)
    assert 0 < len(done) < 12
    assert heard == len(done)


async def test_what_is_throttled_is_not_done(cloud: Cloud) -> None:
    async with proxied(cloud, Weather(throttled=1.0)) as (proxy, heard):
        client = dynamodb(proxy)
        with pytest.raises(client.exceptions.ProvisionedThroughputExceededException):
            await asyncio.to_thread(put(client, "throttled"))
    assert not is_there(cloud, "throttled")
    assert heard == []


async def test_in_a_cut_nobody_hears_anything(cloud: Cloud) -> None:
    async with proxied(cloud, Weather(is_cut=True)) as (proxy, heard):
        with pytest.raises(ReadTimeoutError):
            await asyncio.to_thread(put(dynamodb(proxy, read_timeout=0.5), "cut"))
        proxy.weather = Weather()
        await asyncio.to_thread(put(dynamodb(proxy), "healed"))
    assert not is_there(cloud, "cut")
    assert is_there(cloud, "healed")
    assert len(heard) == 1


async def test_latency_is_waited_for(cloud: Cloud) -> None:
    async with proxied(cloud, Weather(latency_seconds=0.4)) as (proxy, _):
        client = dynamodb(proxy)
        began = monotonic()
        await asyncio.to_thread(put(client, "late"))
    assert monotonic() - began >= 0.2


async def test_a_message_is_read_as_it_was_written() -> None:
    reader = asyncio.StreamReader()
    raw = answer_of("503 Service Unavailable", {"a": 1}, Retry_After="2")
    reader.feed_data(raw + raw[:-1])
    reader.feed_eof()
    answer = await read_message(reader)
    assert answer is not None
    assert (answer.status, answer.header("retry-after"), answer.json) == (503, "2", {"a": 1})
    assert answer.raw == raw
    assert await read_message(reader) is None, "the second one is cut off"
