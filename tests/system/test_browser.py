"""What somebody does who has just typed `make demo`: sign in, ask, stop, ask on, come back."""

import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.chat_page import ChatPage, browser, new_page
from support.system import Demo

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(300)]

PICTURES = Path(__file__).parent / "screenshots"
QUESTION = "What is Aistratus?"
LONG_QUESTION = "Tell me about the whole journey of a prompt"
# Not what is shown while there is no answer yet.
SAYS_SOMETHING = r"^(?!Sending|In the queue|Thinking)\w+ \w+ \w+"
FOLLOW_UP = "How much does it cost?"


@pytest.fixture
def chat(demo: Demo, chromium: str) -> Iterator[ChatPage]:
    with browser(chromium) as chrome:
        chat = ChatPage(new_page(chrome))
        yield chat
        chat.keep_picture(PICTURES / "last.png")


@contextmanager
def slow_engine(demo: Demo) -> Iterator[None]:
    """The stand-in model answers at once; let it think for seconds, as a large one does.

    Its process runs a tenth of the time only.
    """
    engine = next(
        pid for pid in demo.session_of_children() if b"aistratus_daemon.engine" in command(pid)
    )
    done = threading.Event()

    def halt_and_go() -> None:
        while not done.is_set():
            os.kill(engine, signal.SIGSTOP)
            done.wait(0.18)
            os.kill(engine, signal.SIGCONT)
            done.wait(0.02)

    thread = threading.Thread(target=halt_and_go)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def sign_in(chat: ChatPage, demo: Demo) -> None:
    """Come by the address that the demo prints, and sign in as it says."""
    page = chat.page
    chat.open(demo.state["app_url"])
    chat.button("Sign in").wait_for()
    chat.keep_picture(PICTURES / "1-welcome.png")
    chat.button("Sign in").click()
    page.wait_for_url(f"{demo.state['login_url']}/**")
    assert page.locator("input[type=text]").input_value() == demo.state["user"]
    page.locator("input[type=password]").fill(demo.state["password"])
    page.screenshot(path=PICTURES / "2-login.png")
    page.locator("button[type=submit], button").first.click()
    chat.look()
    chat.prompt.wait_for()
    chat.keep_picture(PICTURES / "3-empty.png")


def test_a_person_signs_in_asks_stops_asks_on_and_finds_it_again(
    chat: ChatPage, demo: Demo
) -> None:
    sign_in(chat, demo)

    chat.ask(QUESTION)
    first = chat.wait_for_answer("Aistratus is")
    chat.wait_until_answered()
    whole = chat.answers()[0]
    assert whole.startswith(first)
    chat.keep_picture(PICTURES / "4-answer.png")

    # The text grows before one's eyes, and stops where one says stop.
    with slow_engine(demo):
        chat.ask(LONG_QUESTION)
        early = chat.wait_for_answer(SAYS_SOMETHING, number=1)
        later = chat.wait_for_answer(f"[^]{{{len(early) + 10},}}", number=1)
        assert later.startswith(early)
        chat.button("Stop").click()
        stopped = chat.wait_for_answer(r"Stopped\.$", number=1)
    assert stopped.startswith(later)
    chat.wait_until_answered()
    chat.keep_picture(PICTURES / "5-stopped.png")

    chat.ask(FOLLOW_UP)
    chat.wait_until_answered()
    assert len(chat.answers()) == 3
    last = chat.answers()[2]
    assert re.search(r"\w+ \w+", last)
    assert chat.answers()[1] == stopped, "what is stopped does not grow"
    chat.keep_picture(PICTURES / "6-follow-up.png")
    assert chat.button(QUESTION).count() == 1, "it is all one conversation"
    assert chat.button(LONG_QUESTION).count() == 0

    # Another day: the browser is still known, and the history is there.
    chat.page.evaluate("sessionStorage.clear()")
    chat.reload()
    chat.button(QUESTION).click()
    chat.wait_for_answer(re.escape(last), number=2)
    said = chat.page.inner_text("flt-semantics-host")
    for question in (QUESTION, LONG_QUESTION, FOLLOW_UP):
        assert question in said
    assert chat.answers()[0] == whole
    chat.keep_picture(PICTURES / "7-history.png")

    chat.page.set_viewport_size({"width": 400, "height": 780})
    chat.button("Show chats").wait_for()
    chat.keep_picture(PICTURES / "8-phone.png")
