"""The real page in a real browser, against an Aistratus that answers from memory."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import uvicorn
from playwright.sync_api import Browser, StorageState, expect

from aistratus_desktop.settings import Settings
from aistratus_desktop.web import build
from support.chat_page import ChatPage, browser, new_page
from support.desktop_stand import Stand

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(300)]


@dataclass
class Server:
    """The app at `url`, and the stand-in behind it."""

    url: str
    port: int
    stand: Stand


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [item.getsockname()[1] for item in sockets]
    for item in sockets:
        item.close()
    return ports


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    app_port, stand_port = free_ports(2)
    stand = Stand(pace=0.03)
    settings = Settings(
        f"http://127.0.0.1:{stand_port}", f"http://localhost:{stand_port}", "app", "eu-central-1"
    )
    public_url = f"http://localhost:{app_port}"
    servers = [
        uvicorn.Server(
            uvicorn.Config(
                app,
                port=port,
                log_level="error",
                ws="websockets-sansio",
                timeout_graceful_shutdown=1,
            )
        )
        for app, port in ((stand.app(), stand_port), (build(settings, public_url), app_port))
    ]

    async def serve() -> None:
        await asyncio.gather(*(server.serve() for server in servers))

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    yield Server(public_url, app_port, stand)
    for item in servers:
        item.should_exit = True
    thread.join(30)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def chrome(chromium: str) -> Iterator[Browser]:
    with browser(chromium) as chrome:
        yield chrome


def sign_in(chrome: Browser, server: Server) -> ChatPage:
    """A page of its own, on which somebody has just signed in."""
    chat = ChatPage(new_page(chrome))
    chat.open(server.url)
    chat.button("Sign in").click()
    chat.page.get_by_role("button", name="Sign in as Ada").click()
    chat.look()
    chat.prompt.wait_for()
    return chat


@pytest.fixture(scope="module")
def session(chrome: Browser, server: Server) -> StorageState:
    """What a browser keeps of a sign-in."""
    page = sign_in(chrome, server).page
    kept = page.context.storage_state()
    page.context.close()
    return kept


@pytest.fixture
def chat(chrome: Browser, server: Server, session: StorageState) -> Iterator[ChatPage]:
    """A chat of somebody who has signed in before."""
    chat = ChatPage(new_page(chrome, kept=session))
    chat.open(server.url)
    chat.prompt.wait_for()
    yield chat
    chat.page.context.close()


def test_a_visit_by_number_ends_at_the_name(chrome: Browser, server: Server) -> None:
    chat = ChatPage(new_page(chrome))
    chat.open(f"http://127.0.0.1:{server.port}")
    chat.button("Sign in").wait_for()
    assert chat.page.url == f"{server.url}/"
    chat.page.context.close()


def test_tokens_stay_in_the_server(chrome: Browser, server: Server) -> None:
    page = sign_in(chrome, server).page
    assert page.url == f"{server.url}/"
    kept = page.evaluate(
        "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
    )
    [session] = [item for item in page.context.cookies() if item["name"] == "aistratus_session"]
    assert session["httpOnly"]
    assert session["sameSite"] == "Strict"
    for secret in ("access-", "refresh-", "code-", session["value"]):
        assert secret not in kept
        assert secret not in page.content()
    page.context.close()


def test_the_page_loads_nothing_from_elsewhere(chrome: Browser, server: Server) -> None:
    chat = ChatPage(new_page(chrome))
    answered: list[str] = []
    chat.page.on("response", lambda response: answered.append(response.url))
    chat.open(server.url)
    chat.button("Sign in").wait_for()
    assert answered
    assert [url for url in answered if not url.startswith((server.url, "blob:", "data:"))] == []
    chat.page.context.close()


def test_no_letter_is_lost_while_an_answer_streams(chat: ChatPage) -> None:
    chat.ask("Tell me something long")
    chat.wait_for_answer(r"1 2 3")
    text = "The quick brown fox jumps over the lazy dog. " * 5
    chat.write(text)
    expect(chat.prompt).to_have_value(text)
    chat.button("Stop").click()
    chat.wait_for_answer(r"Stopped\.")
    expect(chat.prompt).to_have_value(text)


def test_shift_enter_begins_a_line_and_enter_sends(chat: ChatPage, server: Server) -> None:
    chat.write("first line")
    chat.page.keyboard.press("Shift+Enter")
    chat.write("second line")
    chat.page.keyboard.press("Enter")
    chat.whole_answer()
    assert server.stand.last_job.prompt == "first line\nsecond line"
    expect(chat.prompt).to_have_value("")


def test_after_a_reload_one_is_still_in_and_finds_the_history(chat: ChatPage) -> None:
    chat.ask("Do you remember me?")
    chat.whole_answer()
    chat.page.evaluate("sessionStorage.clear()")
    chat.reload()
    chat.conversation("Do you remember me?").click()
    assert "own language model" in chat.wait_for_answer("one command")


def test_signing_out_leaves_nothing_for_the_next(chrome: Browser, server: Server) -> None:
    chat = sign_in(chrome, server)
    chat.ask("A secret question")
    chat.whole_answer()
    chat.button("Sign out").click()
    chat.look()
    chat.button("Sign in").wait_for()
    assert "A secret question" not in chat.page.inner_text("flt-semantics-host")
    assert chat.page.context.cookies() == []
    chat.reload()
    chat.button("Sign in").wait_for()
    chat.page.context.close()


def test_an_answer_cannot_make_the_browser_load_a_picture(chat: ChatPage, server: Server) -> None:
    asked: list[str] = []
    chat.page.on("request", lambda request: asked.append(request.url))
    chat.ask("![pixel](http://127.0.0.1:9/leak.png)")
    chat.whole_answer()
    assert [url for url in asked if "leak" in url] == []


def test_a_phone_shows_the_chats_on_request(chat: ChatPage) -> None:
    chat.page.set_viewport_size({"width": 400, "height": 780})
    chat.button("Show chats").click()
    chat.button("Sign out").wait_for()
    chat.button("New chat").first.click()
    expect(chat.button("Sign out")).to_have_count(0)
