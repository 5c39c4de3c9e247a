"""The story: a question, its answer, and an instance that goes away in mid-sentence."""

import shutil
import subprocess
import tempfile
import textwrap
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser

from housekeeping import ROOT
from moving_picture.film import Film
from moving_picture.paced_demo import STEP_VARIABLE
from support.chat_page import PATIENCE_MS, ChatPage, browser
from support.system import Demo, demo_environment, started_by

WIDTH, HEIGHT = 960, 520
STEP_SECONDS: Final = "0.03"
"""Some thirty tokens a second, as a model of a few billion weights has on a GPU of a small kind."""

_QUESTION: Final = "What is Aistratus?"
_LONG_QUESTION: Final = "Tell me about the whole journey of a prompt"
_WORDS_BEFORE_THE_END: Final = 25
_KEY_MS, _LOOK_MS, _LAST_LOOK_MS = 45, 900, 3500
_TERMINAL_COLUMNS: Final = 108
_PROGRAM: Final = ("-m", "moving_picture.paced_demo")


def film(chromium: str, target: Path) -> float:
    """Films the story into `target`; returns its duration in seconds."""
    with tempfile.TemporaryDirectory(prefix="aistratus-picture-") as folder:
        state = Path(folder)
        changes = {STEP_VARIABLE: STEP_SECONDS}
        with started_by(_PROGRAM, state, **changes) as demo, browser(chromium) as chrome:
            demo.until("Ready")
            return _play(chrome, demo, state, target)


def _play(chrome: Browser, demo: Demo, state: Path, target: Path) -> float:
    context = chrome.new_context(viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=1)
    context.set_default_timeout(PATIENCE_MS)
    chat = ChatPage(context.new_page())
    _sign_in(chat, demo)

    show = Film(chat.page)
    show.start()
    show.print("$ make demo")
    show.print(_line(demo, "on this machine"))
    chat.page.wait_for_timeout(_LOOK_MS)
    _ask(chat, _QUESTION)
    chat.whole_answer()
    chat.page.wait_for_timeout(_LOOK_MS)
    _ask(chat, _LONG_QUESTION)
    chat.wait_for_answer(rf"^(\S+\s+){{{_WORDS_BEFORE_THE_END}}}", number=1)
    show.print("$ make interrupt")
    for line in textwrap.wrap(_interrupt(chat, state), _TERMINAL_COLUMNS):
        show.print(line)
    again = "started again"
    while not any(again in line for line in demo.lines):
        chat.page.wait_for_timeout(50)
    show.print(_line(demo, again))
    chat.whole_answer(number=1)
    chat.page.wait_for_timeout(_LAST_LOOK_MS)
    show.stop()
    return show.save(target, WIDTH)


def _sign_in(chat: ChatPage, demo: Demo) -> None:
    chat.open(demo.state["app_url"])
    chat.button("Sign in").click()
    chat.page.wait_for_url(f"{demo.state['login_url']}/**")
    chat.page.locator("button[type=submit], button").first.click()
    chat.look()
    chat.prompt.wait_for()


def _ask(chat: ChatPage, question: str) -> None:
    chat.prompt.wait_for()
    chat.page.keyboard.type(question, delay=_KEY_MS)
    chat.page.keyboard.press("Enter")


def _interrupt(chat: ChatPage, state: Path) -> str:
    """Run `make interrupt`, while the page is filmed; returns what it prints."""
    with subprocess.Popen(
        [shutil.which("make") or "make", "interrupt"],
        cwd=ROOT,
        env={name: value for name, value in demo_environment(state).items() if "MAKE" not in name},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        while process.poll() is None:
            chat.page.wait_for_timeout(50)
        return (process.stdout.read() if process.stdout else "").strip()


def _line(demo: Demo, part: str) -> str:
    """The demo's line up to the words `part`, without the seconds behind them."""
    line = next(line for line in demo.lines if part in line)
    return line[: line.index(part) + len(part)]
