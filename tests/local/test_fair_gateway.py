"""Over real sockets: one user's hundreds of calls, and another who only wants to ask."""

import asyncio
import os
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from aistratus_local.gateway.api import Api, Cors
from aistratus_local.gateway.function import ENVIRONMENTS_PER_USER, WAITING_PER_USER, Function

pytestmark = pytest.mark.anyio

TESTS = Path(__file__).parents[1]
POLLS = 500
HOLD_SECONDS = 10


class Names:
    """Everybody is who they say they are."""

    async def authorize(self, header: str | None) -> dict[str, Any]:
        return {"jwt": {"claims": {"sub": header}, "scopes": None}}


@asynccontextmanager
async def gateway() -> AsyncIterator[str]:
    """A gateway with the function of these tests behind it, and its limits as they are."""
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "AWS_REGION": "eu-central-1"}
    function = Function("a-function", "support.functions.handler", environment)
    api = Api(function, Names(), Cors([]))  # type: ignore[arg-type]
    config = uvicorn.Config(
        api.app(), log_level="critical", lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        await function.start(2)
        serving = asyncio.create_task(server.serve([listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving
            await function.stop()


def client(url: str, user: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=url,
        headers={"authorization": user},
        limits=httpx.Limits(max_connections=None),
        timeout=60,
        trust_env=False,
    )


async def test_500_long_polls_of_one_user_do_not_hold_up_another() -> None:
    async with gateway() as url, client(url, "loud") as loud, client(url, "quiet") as quiet:
        polls = [asyncio.create_task(loud.get(f"/sleep?{HOLD_SECONDS}")) for _ in range(POLLS)]
        # Those for which there is no room even to wait are answered first.
        refusals = POLLS - ENVIRONMENTS_PER_USER - WAITING_PER_USER
        async with asyncio.timeout(30):
            while sum(poll.done() for poll in polls) < refusals:
                await asyncio.wait(
                    [p for p in polls if not p.done()], return_when="FIRST_COMPLETED"
                )
        seconds = []
        for _ in range(20):
            began = time.perf_counter()
            assert (await quiet.get("/pid")).status_code == 200
            seconds.append(time.perf_counter() - began)
        assert not all(poll.done() for poll in polls), "they should have been held meanwhile"
        for poll in polls:
            poll.cancel()  # where it is not over
        ends = await asyncio.gather(*polls, return_exceptions=True)

    answers = [end for end in ends if isinstance(end, httpx.Response)]
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses[429] == refusals
    assert statuses.keys() <= {200, 429}
    assert all(int(a.headers["retry-after"]) > 0 for a in answers if a.status_code == 429)
    assert sorted(seconds)[18] < 1.0
