"""A request that is cancelled leaves no connection open that its pool was about to close."""

import asyncio
import gc
import warnings

import pytest

from system.hostile.caller import calling
from system.hostile.evidence import Evidence

CONNECTIONS = 20
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize("ticks", [2, 5, 10, 20])
def test_a_cancelled_request_leaves_no_connection_open(ticks: int) -> None:
    with warnings.catch_warnings(record=True) as unclosed:
        warnings.simplefilter("always", ResourceWarning)
        asyncio.run(_cancelled_after(ticks))
        gc.collect()
    assert [str(it.message) for it in unclosed] == []


async def _cancelled_after(ticks: int) -> None:
    """Fill the pool with connections that the server has closed; ask once more, and cancel it."""
    everybody = asyncio.Barrier(CONNECTIONS)
    heard, last_closed = asyncio.Event(), asyncio.Event()
    closed = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal closed
        if closed < CONNECTIONS and await reader.read(1000):
            await everybody.wait()
            writer.write(ANSWER)
            await heard.wait()
        writer.close()
        await writer.wait_closed()
        closed += 1
        if closed == CONNECTIONS:
            last_closed.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with calling(url, "", Evidence()) as caller:
            await asyncio.gather(*(caller.request("GET", "/") for _ in range(CONNECTIONS)))
            heard.set()
            await last_closed.wait()
            request = asyncio.create_task(caller.request("GET", "/"))
            for _ in range(ticks):
                await asyncio.sleep(0)
            request.cancel()
            await asyncio.gather(request, return_exceptions=True)
