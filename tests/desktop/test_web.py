"""The server behind the browser: who is let in, and how one signs in."""

import re
import socket
from collections.abc import AsyncIterator, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from aistratus_desktop import web
from aistratus_desktop.browsers import MAX_PENDING, Browsers
from aistratus_desktop.doorkeeper import Doorkeeper
from aistratus_desktop.gateway import SignInNeeded
from aistratus_desktop.settings import Settings
from aistratus_desktop.signin import ManagedLogin, SignInFailed
from aistratus_desktop.web import build, main
from support.desktop_stand import Stand

pytestmark = pytest.mark.anyio

ASSETS = Path(web.__file__).parent / "assets"
ORIGIN = "http://localhost:8550"


@pytest.fixture
async def login(stand: Stand) -> AsyncIterator[ManagedLogin]:
    login = ManagedLogin("http://login", "app", transport=httpx.ASGITransport(stand.app()))
    yield login
    await login.close()


@pytest.fixture
async def browser(stand: Stand, login: ManagedLogin) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that can reach the app and the login, and keeps cookies."""
    settings = Settings("http://api", "http://login", "app", "eu-central-1")
    mounts = {"http://login": httpx.ASGITransport(stand.app())}
    transport = httpx.ASGITransport(build(settings, ORIGIN, login))
    async with httpx.AsyncClient(transport=transport, mounts=mounts, base_url=ORIGIN) as browser:
        yield browser


async def sign_in(browser: httpx.AsyncClient) -> httpx.Response:
    """Sign in; returns what the callback answers."""
    begun = await browser.get("/signin")
    allowed = await browser.post(begun.headers["location"])
    return await browser.get(allowed.headers["location"])


def cookies_of(response: httpx.Response) -> dict[str, str]:
    """The cookies that an answer sets: name to all of the line."""
    lines = response.headers.get_list("set-cookie")
    return {line.split("=")[0]: line for line in lines}


async def test_a_visitor_by_number_is_sent_to_the_name(browser: httpx.AsyncClient) -> None:
    for host in ("127.0.0.1:8550", "[::1]:8550"):
        response = await browser.get("/some/where?x=1", headers={"Host": host})
        assert response.status_code == 307
        assert response.headers["location"] == "http://localhost:8550/some/where?x=1"


async def test_the_way_to_the_name_leads_nowhere_else(browser: httpx.AsyncClient) -> None:
    response = await browser.get("//evil.example/x", headers={"Host": "127.0.0.1:8550"})
    assert urlsplit(response.headers["location"]).netloc == "localhost:8550"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8550", "localhost:1", "127.0.0.1:1", ""]
)
async def test_a_strangers_name_is_refused(browser: httpx.AsyncClient, host: str) -> None:
    for path in ("/", "/signin", "/callback?code=x&state=y"):
        response = await browser.get(path, headers={"Host": host})
        assert response.status_code == 421
        assert "set-cookie" not in response.headers


async def test_a_post_by_number_is_refused(browser: httpx.AsyncClient) -> None:
    response = await browser.post("/", headers={"Host": "127.0.0.1:8550"})
    assert response.status_code == 421


async def test_the_page_is_served_and_loads_nothing_from_elsewhere(
    browser: httpx.AsyncClient,
) -> None:
    response = await browser.get("/")
    assert response.status_code == 200
    assert "<title>Aistratus</title>" in response.text
    assert "flet.noCdn=true" in response.text
    policy = response.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_the_icons_are_ours(browser: httpx.AsyncClient) -> None:
    for name in ("favicon.png", "icons/icon-192.png", "icons/loading-animation.png"):
        response = await browser.get(f"/{name}")
        assert response.headers["content-type"] == "image/png"
        assert response.content == (ASSETS / name).read_bytes()


async def test_signing_in_ends_with_a_session_in_a_cookie_and_nothing_else(
    browser: httpx.AsyncClient, stand: Stand
) -> None:
    begun = await browser.get("/signin")
    assert begun.status_code == 303
    cookie = cookies_of(begun)["aistratus_sign_in"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/callback" in cookie
    allowed = await browser.post(begun.headers["location"])
    finished = await browser.get(allowed.headers["location"])
    assert finished.status_code == 303
    assert finished.headers["location"] == "/"
    cookie = cookies_of(finished)["aistratus_session"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "access-" not in str(finished.headers)
    assert "refresh-" not in str(finished.headers)
    assert "aistratus_sign_in" not in browser.cookies
    assert stand.login_forms[0]["redirect_uri"] == f"{ORIGIN}/callback"


async def test_a_code_is_of_no_use_in_another_browser(
    browser: httpx.AsyncClient, stand: Stand
) -> None:
    begun = await browser.get("/signin")
    allowed = await browser.post(begun.headers["location"])
    browser.cookies.clear()
    await browser.get("/signin")
    finished = await browser.get(allowed.headers["location"])
    assert finished.status_code == 400
    assert "not begun here" in finished.text
    assert stand.login_forms == []
    assert "aistratus_session" not in browser.cookies


async def test_a_code_comes_back_once(browser: httpx.AsyncClient) -> None:
    begun = await browser.get("/signin")
    sign_in_id = browser.cookies["aistratus_sign_in"]
    allowed = await browser.post(begun.headers["location"])
    await browser.get(allowed.headers["location"])
    browser.cookies.set("aistratus_sign_in", sign_in_id, path="/callback")
    again = await browser.get(allowed.headers["location"])
    assert again.status_code == 400


async def test_what_the_login_sends_is_not_echoed(browser: httpx.AsyncClient) -> None:
    await browser.get("/signin")
    response = await browser.get("/callback", params={"error": "<script>alert(1)</script>"})
    assert response.status_code == 400
    assert "<script>" not in response.text
    assert "script-src" not in response.headers["content-security-policy"]


async def test_signing_out_ends_the_session_and_revokes(
    browser: httpx.AsyncClient, stand: Stand
) -> None:
    await sign_in(browser)
    assert "aistratus_session" in browser.cookies
    response = await browser.get("/signout")
    assert response.headers["location"] == "/"
    assert "aistratus_session" not in browser.cookies
    assert stand.login_forms[-1]["token"] == "refresh-1"


async def test_signing_in_again_ends_the_session_before(
    browser: httpx.AsyncClient, stand: Stand
) -> None:
    await sign_in(browser)
    first = browser.cookies["aistratus_session"]
    await sign_in(browser)
    assert browser.cookies["aistratus_session"] != first
    assert [form for form in stand.login_forms if "token" in form] != []


async def test_over_https_cookies_are_secure(stand: Stand, login: ManagedLogin) -> None:
    settings = Settings("http://api", "http://login", "app", "eu-central-1")
    transport = httpx.ASGITransport(build(settings, "https://chat.example", login))
    async with httpx.AsyncClient(transport=transport, base_url="https://chat.example") as browser:
        begun = await browser.get("/signin")
    assert "secure" in cookies_of(begun)["aistratus_sign_in"].lower()


FETCHED = {"origin": "http://evil.example", "sec-fetch-site": "cross-site"}
LINKED = {
    "sec-fetch-site": "cross-site",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
}


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/", FETCHED),
        ("GET", "/signin", FETCHED),
        ("GET", "/callback?code=x&state=y", FETCHED),
        ("GET", "/", {**LINKED, "sec-fetch-dest": "iframe"}),
        ("GET", "/signin", {"sec-fetch-site": "cross-site", "sec-fetch-dest": "image"}),
        ("POST", "/", {**LINKED, "origin": "null", "content-type": "text/plain"}),
        ("GET", "/signout", LINKED),
        ("GET", "/", {"origin": "http://localhost:3000", "sec-fetch-site": "same-site"}),
        ("POST", "/", {"origin": "http://evil.example"}),
    ],
)
async def test_what_another_sites_page_sends_is_refused(
    browser: httpx.AsyncClient, method: str, path: str, headers: dict[str, str]
) -> None:
    response = await browser.request(method, path, headers=headers)
    assert response.status_code == 403
    assert "another site" in response.text
    assert "set-cookie" not in response.headers


async def test_a_link_on_another_site_leads_here(browser: httpx.AsyncClient) -> None:
    assert (await browser.get("/", headers=LINKED)).status_code == 200
    assert (await browser.get("/callback", headers=LINKED)).status_code == 400, "the login's way"
    own = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate"}
    assert (await browser.get("/signout", headers=own)).status_code == 303


# --- websockets ---------------------------------------------------------------------------


async def open_websocket(**headers: str) -> list[MutableMapping[str, Any]]:
    """What the doorkeeper sends to a websocket with these headers, or passes on."""
    sent: list[MutableMapping[str, Any]] = []

    async def behind(scope: Any, _receive: Any, _send: Any) -> None:
        sent.append({"type": "let in", "headers": dict(scope["headers"])})

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    given = {"host": "localhost:8550", "origin": ORIGIN, **headers}
    scope = {
        "type": "websocket",
        "path": "/ws",
        "headers": [(name.encode(), value.encode()) for name, value in given.items() if value],
    }
    await Doorkeeper(behind, ORIGIN)(scope, receive, send)
    return sent


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://localhost:8551"},
        {"origin": "http://127.0.0.1:8550"},
        {"host": "evil.example:8550"},
        {"host": "127.0.0.1:8550"},
    ],
)
async def test_a_websocket_of_another_sites_page_is_refused(headers: dict[str, str]) -> None:
    [message] = await open_websocket(**headers)
    assert message == {"type": "websocket.close", "code": 1008}


async def test_our_own_page_is_let_in() -> None:
    [message] = await open_websocket()
    assert message["type"] == "let in"


async def test_a_page_belongs_to_its_browsers_session() -> None:
    agents = []
    for cookie in ("aistratus_session=one", "aistratus_session=two", ""):
        [message] = await open_websocket(cookie=cookie, **{"user-agent": "Browser"})
        agents.append(message["headers"][b"user-agent"])
    assert len(set(agents)) == 3
    assert all(b"one" not in agent and b"two" not in agent for agent in agents)
    [message] = await open_websocket(cookie="aistratus_session=one")
    assert re.fullmatch(rb"[0-9a-f]{64}", message["headers"][b"user-agent"])


# --- who is behind a browser --------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def returned(stand: Stand, url: str) -> dict[str, str]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(stand.app())) as browser:
        response = await browser.post(url)
    return dict(parse_qsl(urlsplit(response.headers["location"]).query))


async def test_a_sign_in_and_a_session_end_in_time(stand: Stand, login: ManagedLogin) -> None:
    clock = Clock()
    browsers = Browsers(login, f"{ORIGIN}/callback", clock)
    sign_in_id, url = browsers.begin_sign_in()
    clock.now += 601
    with pytest.raises(SignInFailed):
        await browsers.finish_sign_in(sign_in_id, await returned(stand, url))
    sign_in_id, url = browsers.begin_sign_in()
    session_id = await browsers.finish_sign_in(sign_in_id, await returned(stand, url))
    tokens = browsers.tokens(session_id)
    assert tokens is not None
    clock.now += 31 * 24 * 3600
    assert browsers.tokens(session_id) is None


async def test_a_session_whose_tokens_have_ended_is_none(stand: Stand, login: ManagedLogin) -> None:
    browsers = Browsers(login, f"{ORIGIN}/callback")
    sign_in_id, url = browsers.begin_sign_in()
    session_id = await browsers.finish_sign_in(sign_in_id, await returned(stand, url))
    tokens = browsers.tokens(session_id)
    assert tokens is not None
    stand.refresh_is_good = False
    with pytest.raises(SignInNeeded):
        await tokens.refresh()
    assert browsers.tokens(session_id) is None


async def test_begun_sign_ins_do_not_fill_the_memory(login: ManagedLogin) -> None:
    browsers = Browsers(login, f"{ORIGIN}/callback")
    first, _ = browsers.begin_sign_in()
    for _ in range(MAX_PENDING):
        browsers.begin_sign_in()
    with pytest.raises(SignInFailed, match="not begun here"):
        await browsers.finish_sign_in(first, {})


def test_a_taken_port_is_a_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("API_URL", "LOGIN_URL"):
        monkeypatch.setenv(f"AISTRATUS_{name}", "https://example.org")
    for name in ("CLIENT_ID", "REGION"):
        monkeypatch.setenv(f"AISTRATUS_{name}", "any")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 1
    said = capsys.readouterr()
    assert said.out == "", "an address is said when the chat is there"
    assert said.err.startswith(f"The chat cannot have port {port} (Address already in use).")


def test_without_settings_the_server_does_not_start(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("API_URL", "LOGIN_URL", "CLIENT_ID", "REGION"):
        monkeypatch.delenv(f"AISTRATUS_{name}", raising=False)
    assert main([]) == 2
    assert "AISTRATUS_API_URL is not set" in capsys.readouterr().err
