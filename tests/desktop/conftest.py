from collections.abc import AsyncIterator

import httpx
import pytest

from aistratus_desktop.gateway import GatewayClient, Pace
from support.desktop_stand import Stand


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class FixedTokens:
    """Tokens that are always good."""

    async def access_token(self) -> str:
        return "access-fixed"

    async def refresh(self) -> None:
        raise AssertionError("nobody should need another token")


@pytest.fixture
def stand() -> Stand:
    return Stand()


@pytest.fixture
async def client(stand: Stand) -> AsyncIterator[GatewayClient]:
    transport = httpx.ASGITransport(stand.app())
    pace = Pace(chance=lambda: 0.0)
    async with GatewayClient("http://api", FixedTokens(), transport=transport, pace=pace) as client:
        yield client
