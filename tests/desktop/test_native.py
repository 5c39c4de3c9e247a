"""The browser comes back to a loopback port."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from aistratus_desktop.native import sign_in_with_browser
from aistratus_desktop.signin import ManagedLogin, SignInFailed
from support.desktop_stand import Stand

pytestmark = pytest.mark.anyio


@pytest.fixture
async def login(stand: Stand) -> AsyncIterator[ManagedLogin]:
    login = ManagedLogin("http://login", "app", transport=httpx.ASGITransport(stand.app()))
    yield login
    await login.close()


@pytest.fixture
def ports() -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    numbers: list[int] = [item.getsockname()[1] for item in sockets]
    for item in sockets:
        item.close()
    return numbers


def browser(stand: Stand, seen: list[httpx.Response], *before: str) -> Callable[[str], None]:
    """A browser that visits `before` on the way, signs in, and follows the way back."""

    async def visit(url: str) -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(stand.app())) as there:
            back = (await there.post(url)).headers["location"]
        async with httpx.AsyncClient() as here:
            origin = back.split("/callback")[0]
            seen.extend([await here.get(origin + path) for path in before])
            seen.append(await here.get(back))

    return lambda url: asyncio.run(visit(url))


async def test_it_comes_back_with_tokens(
    stand: Stand, login: ManagedLogin, ports: list[int]
) -> None:
    seen: list[httpx.Response] = []
    told: list[str] = []
    tokens = await sign_in_with_browser(
        login, announce=told.append, open_browser=browser(stand, seen), ports=ports
    )
    assert tokens.access_token.startswith("access-")
    assert told[0].startswith("http://login/oauth2/authorize?")
    assert f"localhost%3A{ports[0]}%2Fcallback" in told[0]
    assert "go back to Aistratus" in seen[0].text
    assert seen[0].headers["cache-control"] == "no-store"


async def test_other_visits_do_not_disturb(
    stand: Stand, login: ManagedLogin, ports: list[int]
) -> None:
    seen: list[httpx.Response] = []
    tokens = await sign_in_with_browser(
        login,
        announce=lambda _url: None,
        open_browser=browser(stand, seen, "/favicon.ico", "/"),
        ports=ports,
    )
    assert tokens.access_token
    assert [item.status_code for item in seen] == [404, 404, 200]


async def test_a_port_that_is_taken_is_passed_over(
    stand: Stand, login: ManagedLogin, ports: list[int]
) -> None:
    told: list[str] = []
    with socket.create_server(("127.0.0.1", ports[0])):
        await sign_in_with_browser(
            login, announce=told.append, open_browser=browser(stand, []), ports=ports
        )
    assert f"localhost%3A{ports[1]}%2Fcallback" in told[0]


async def test_without_a_port_it_says_so(login: ManagedLogin, ports: list[int]) -> None:
    with (
        socket.create_server(("127.0.0.1", ports[0])),
        pytest.raises(SignInFailed, match="all taken"),
    ):
        await sign_in_with_browser(login, announce=lambda _url: None, ports=ports[:1])


async def test_nobody_is_waited_for_for_ever(login: ManagedLogin, ports: list[int]) -> None:
    with pytest.raises(SignInFailed, match="in time"):
        await sign_in_with_browser(
            login,
            announce=lambda _url: None,
            open_browser=lambda _url: None,
            ports=ports,
            timeout_seconds=0.05,
        )


async def test_a_stranger_who_sends_a_code_is_refused(
    login: ManagedLogin, ports: list[int]
) -> None:
    def stranger(_url: str) -> None:
        httpx.get(f"http://localhost:{ports[0]}/callback?code=evil&state=guessed")

    with pytest.raises(SignInFailed, match="not begun here"):
        await sign_in_with_browser(
            login, announce=lambda _url: None, open_browser=stranger, ports=ports
        )
