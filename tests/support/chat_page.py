"""The chat in a real browser, used by what a person can see and press.

Flutter paints on a canvas, so tests find there only what it tells screen readers.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, StorageState, expect, sync_playwright

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
# A node's words are its label, or what it contains; an answer is a group with a label of its own.
_ANSWERS = """() => {
    const words = node => [node.getAttribute('aria-label') || '', ...(node.children.length
        ? [...node.children].map(words) : [node.textContent])].join(' ')
    const label = /^\\s*Aistratus (says|is answering)\\s*/
    return [...document.querySelectorAll('flt-semantics')]
        .filter(node => label.test(node.getAttribute('aria-label') || '')
            || (label.test(node.textContent) && !node.querySelector('flt-semantics')))
        .map(node => ({
            open: /is answering/.test(label.exec(words(node))[0]),
            text: words(node).replace(label, '').replace(/\\s+/g, ' ').trim(),
        }))
}"""
# Enough for a busy machine with two processors and no GPU.
PATIENCE_MS = 60_000


@contextmanager
def browser(chromium: str) -> Iterator[Browser]:
    """Headless Chromium, from the path of its program."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        try:
            yield launched
        finally:
            launched.close()


def new_page(browser: Browser, *, kept: StorageState | None = None) -> Page:
    """A page with cookies of its own: the `kept` ones, or none."""
    context = browser.new_context(
        viewport={"width": 1200, "height": 800}, device_scale_factor=1, storage_state=kept
    )
    context.set_default_timeout(PATIENCE_MS)
    return context.new_page()


class ChatPage:
    """What a person does with the chat."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def open(self, url: str) -> None:
        self.page.goto(url)
        self.look()

    def reload(self) -> None:
        self.page.reload()
        self.look()

    def look(self) -> None:
        """Make Flutter tell what it paints, once there is something."""
        placeholder = self.page.locator("flt-semantics-placeholder")
        placeholder.wait_for(state="attached")
        # It is off the screen, as it is meant for screen readers: no pointer reaches it.
        placeholder.evaluate("element => element.click()")

    def button(self, name: str, *, exact: bool = True) -> Locator:
        return self.page.get_by_role("button", name=name, exact=exact)

    def conversation(self, title: str) -> Locator:
        """A line of the history."""
        return self.page.locator(
            "flt-semantics[role=button][aria-current]", has_text=re.compile(f"^{re.escape(title)}$")
        )

    @property
    def prompt(self) -> Locator:
        # Not the hidden one that Flutter itself types into.
        return self.page.locator("textarea[data-semantics-role=text-field]")

    def write(self, text: str) -> None:
        """Type faster than anybody can."""
        self.prompt.wait_for()
        self.page.keyboard.type(text)

    def ask(self, prompt: str) -> None:
        self.write(prompt)
        self.page.keyboard.press("Enter")

    def answers(self) -> list[str]:
        """The texts of all answers, as far as they have come."""
        found: list[dict[str, str]] = self.page.evaluate(_ANSWERS)
        return [answer["text"] for answer in found]

    def wait_for_answer(self, pattern: str, *, number: int = 0, whole: bool = False) -> str:
        """Answer `number` (from 0) as soon as it contains the pattern (a JavaScript one).

        With `whole`, it must also have ended.
        """
        found = self.page.wait_for_function(
            "([pattern, number, whole]) => { const answer = (" + _ANSWERS + ")()[number];"
            "  return answer && !(whole && answer.open) && new RegExp(pattern).test(answer.text)"
            "    && [answer.text] }",
            arg=[pattern, number, whole],
        )
        return str(found.json_value()[0])

    def whole_answer(self, *, number: int = 0) -> str:
        """Answer `number` (from 0) when it has ended."""
        return self.wait_for_answer("", number=number, whole=True)

    def keep_picture(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Screen readers are told of it before it is painted.
        self.page.evaluate(
            "() => new Promise(painted => { let frames = 12; const next = () => "
            "frames-- ? requestAnimationFrame(next) : painted(); next() })"
        )
        self.page.screenshot(path=path)
