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


class Brake:
    """Makes the stand-in model, which answers at once, think for seconds, as a large one does."""

    def __init__(self, engine: int) -> None:
        self._engine = engine
        self.drag()

    def _halt_and_go(self) -> None:
        """The engine's process runs a tenth of the time."""
        while not self._released.wait(0.02):
            os.kill(self._engine, signal.SIGSTOP)
            self._released.wait(0.18)
            os.kill(self._engine, signal.SIGCONT)

    def drag(self) -> None:
        """From here on slowly."""
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._halt_and_go)
        self._thread.start()

    def _release(self) -> None:
        self._released.set()
        self._thread.join()

    def halt(self) -> None:
        """From here on, not a word."""
        self._release()
        os.kill(self._engine, signal.SIGSTOP)

    def go(self) -> None:
        """From here on as fast as it can."""
        self._release()
        os.kill(self._engine, signal.SIGCONT)


@contextmanager
def slow_engine(demo: Demo) -> Iterator[Brake]:
    """A brake on the demo's engine, released in the end."""
    children = demo.session_of_children()
    brake = Brake(next(pid for pid in children if b"aistratus_daemon.engine" in command(pid)))
    try:
        yield brake
    finally:
        brake.go()


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
    whole = chat.whole_answer()
    assert whole.startswith(first)
    chat.keep_picture(PICTURES / "4-answer.png")

    # The text grows before one's eyes, and stops where one says stop.
    with slow_engine(demo) as brake:
        chat.ask(LONG_QUESTION)
        early = chat.wait_for_answer(SAYS_SOMETHING, number=1)
        later = chat.wait_for_answer(f"[^]{{{len(early) + 10},}}", number=1)
        # Half a Markdown mark is shown as it is.
        assert later.startswith(early[:20])
        brake.halt()
        chat.keep_picture(PICTURES / "5-streaming.png")
        chat.button("Stop").click()
        # Slowly still: at full speed the answer may end before anybody is told to stop.
        brake.drag()
        stopped = chat.wait_for_answer(r"Stopped\.$", number=1)
    assert stopped.startswith(early[:20])
    assert chat.whole_answer(number=1) == stopped
    chat.keep_picture(PICTURES / "6-stopped.png")

    chat.ask(FOLLOW_UP)
    last = chat.whole_answer(number=2)
    assert re.search(r"\w+ \w+", last)
    assert chat.answers()[1] == stopped, "what is stopped does not grow"
    chat.keep_picture(PICTURES / "7-follow-up.png")
    assert chat.conversation(QUESTION).count() == 1, "it is all one conversation"
    assert chat.conversation(LONG_QUESTION).count() == 0

    # Another day: the browser is still known, and the history is there.
    chat.page.evaluate("sessionStorage.clear()")
    chat.reload()
    chat.conversation(QUESTION).click()
    chat.wait_for_answer(re.escape(last), number=2)
    said = chat.page.inner_text("flt-semantics-host")
    for question in (QUESTION, LONG_QUESTION, FOLLOW_UP):
        assert question in said
    assert chat.answers()[0] == whole
    chat.keep_picture(PICTURES / "8-history.png")

    chat.page.set_viewport_size({"width": 400, "height": 780})
    chat.button("Show chats").wait_for()
    chat.keep_picture(PICTURES / "9-phone.png")
