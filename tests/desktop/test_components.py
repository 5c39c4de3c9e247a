"""What is drawn, and what a click does, on a page without a client."""

import asyncio
from collections.abc import AsyncIterator

import flet as ft
import pytest

from aistratus_contracts.errors import ErrorCode
from aistratus_contracts.states import JobState
from aistratus_desktop.components import AppView
from aistratus_desktop.components.answer_text import is_web_address, without_images
from aistratus_desktop.components.messages import Messages
from aistratus_desktop.components.sidebar import ConversationRow
from aistratus_desktop.components.welcome import SUGGESTIONS
from aistratus_desktop.gateway import GatewayClient
from aistratus_desktop.state import App, Chat
from aistratus_desktop.state.bubble import said
from support.desktop_stand import Stand, problem
from support.desktop_until import until
from support.flet_page import Screen, screen

pytestmark = pytest.mark.anyio


class OpenDoor:
    def __init__(self, *, signed_in: bool) -> None:
        self.signed_in = signed_in

    async def sign_in(self) -> None:
        self.signed_in = True

    async def sign_out(self) -> None:
        self.signed_in = False


@pytest.fixture
def app(client: GatewayClient) -> App:
    return App(client, OpenDoor(signed_in=True))


@pytest.fixture
async def shown(app: App) -> AsyncIterator[Screen]:
    async with screen() as shown:
        shown.page.render(AppView, app)
        await shown.until_still()
        yield shown
        app.close()
        await shown.until_still()


async def type_in(shown: Screen, text: str) -> None:
    [field] = shown.all(ft.TextField)
    await shown.happen(field, "change", text)


async def test_who_is_not_in_sees_one_button(client: GatewayClient) -> None:
    app = App(client, OpenDoor(signed_in=False))
    async with screen() as shown:
        shown.page.render(AppView, app)
        await shown.until_still()
        assert "Aistratus" in shown.texts()
        await shown.click(shown.button("Sign in"))
        assert app.signed_in
        assert "What would you like to know?" in shown.texts()


async def test_a_suggestion_is_asked(shown: Screen, stand: Stand) -> None:
    asking = asyncio.create_task(shown.click(shown.button(SUGGESTIONS[0])))
    await shown.until(lambda: bool(stand.jobs))
    assert stand.last_job.prompt == SUGGESTIONS[0]
    stand.last_job.finish()
    await asking


async def test_send_is_for_when_there_is_something_to_send(shown: Screen) -> None:
    assert shown.button("Send").disabled
    await type_in(shown, "Hello")
    assert not shown.button("Send").disabled
    await type_in(shown, "  ")
    assert shown.button("Send").disabled


async def test_the_field_is_not_drawn_anew_while_one_types(shown: Screen) -> None:
    [before] = shown.all(ft.TextField)
    await type_in(shown, "Hello")
    [after] = shown.all(ft.TextField)
    assert after is before


async def test_an_answer_is_drawn_as_it_grows(shown: Screen, stand: Stand, app: App) -> None:
    await type_in(shown, "What is it?")
    [field] = shown.all(ft.TextField)
    asking = asyncio.create_task(shown.happen(field, "submit"))
    await shown.until(lambda: "In the queue – waiting for a worker" in shown.texts())
    assert "What is it?" in shown.texts()
    assert shown.button("Stop")
    [field] = shown.all(ft.TextField)
    assert field.value == ""
    stand.last_job.say("A **chat**")
    await shown.until(lambda: "A **chat**" in shown.texts())
    assert shown.all(ft.ProgressRing)
    stand.last_job.finish()
    await asking
    await shown.until_still()
    assert shown.button("Send")
    assert not shown.all(ft.ProgressRing)
    assert shown.button("Delete “What is it?”")


async def test_stop_stops(shown: Screen, stand: Stand) -> None:
    await type_in(shown, "Count")
    asking = asyncio.create_task(shown.click(shown.button("Send")))
    await shown.until(lambda: "In the queue – waiting for a worker" in shown.texts())
    await shown.click(shown.button("Stop"))
    await asking
    await shown.until_still()
    assert "Stopped." in shown.texts()
    assert stand.last_job.cancelled


async def test_an_error_is_a_sentence_that_can_be_dismissed(shown: Screen, stand: Stand) -> None:
    stand.refuse_next = [problem(422, ErrorCode.INVALID_REQUEST, "This prompt is too long.")]
    await type_in(shown, "Hello")
    await shown.click(shown.button("Send"))
    assert "This prompt is too long." in shown.texts()
    [field] = shown.all(ft.TextField)
    assert field.value == "Hello"
    await shown.click(shown.button("Dismiss"))
    assert "This prompt is too long." not in shown.texts()


async def test_the_history_opens_and_forgets(shown: Screen, stand: Stand, app: App) -> None:
    accepted = await app.client.ask("An old question")
    stand.last_job.say("An old answer")
    stand.last_job.finish()
    await app.history.refresh()
    await shown.until_still()
    [title] = [item for item in shown.all(ft.Container) if item.ink]
    await shown.click(title)
    await shown.until(lambda: "An old answer" in shown.texts())
    await shown.click(shown.button("Delete “An old question”"))
    assert "Delete this chat?" in shown.texts()
    await shown.click(shown.button("Keep"))
    assert stand.deleted == set()
    await shown.click(shown.button("Delete “An old question”"))
    await shown.click(shown.button("Delete"))
    await shown.until(lambda: "An old answer" not in shown.texts())
    assert stand.deleted == {accepted.conversation_id}
    assert "Your chats will be listed here." in shown.texts()


async def test_messages_can_be_drawn_when_there_are_none(client: GatewayClient) -> None:
    chat = Chat(client)
    async with screen() as shown:
        shown.page.render(Messages, chat)
        await shown.until_still()
        chat.bubbles = [said("Hello")]
        await shown.until_still()
        assert shown.texts() == ["Hello"]
        chat.bubbles = []
        await shown.until_still()
        assert shown.texts() == []


async def test_the_view_follows_what_grows_until_one_scrolls_up(
    shown: Screen, stand: Stand
) -> None:
    await type_in(shown, "Hello")
    asking = asyncio.create_task(shown.click(shown.button("Send")))
    await shown.until(lambda: bool(stand.jobs) and "scroll_to" in shown.called())
    [column] = [item for item in shown.all(ft.Column) if item.on_scroll]

    async def moves(word: str) -> bool:
        """Whether the view moves when this word comes."""
        before = shown.called().count("scroll_to")
        stand.last_job.say(word)
        await shown.until(lambda: any(word in text for text in shown.texts()))
        return shown.called().count("scroll_to") > before

    def event(kind: str, pixels: float, direction: str | None = None) -> dict[str, object]:
        return {
            "event_type": kind,
            "pixels": pixels,
            "min_scroll_extent": 0.0,
            "max_scroll_extent": 900.0,
            "viewport_dimension": 600.0,
            "direction": direction,
        }

    assert await moves("one")
    await shown.happen(column, "scroll", event("user", 900.0, "forward"))
    # Our own last move, which was on its way, is no return.
    await shown.happen(column, "scroll", event("update", 900.0))
    assert not await moves("two")
    await shown.happen(column, "scroll", event("user", 300.0, "reverse"))
    await shown.happen(column, "scroll", event("user", 300.0, "idle"))
    assert not await moves("three")
    await shown.happen(column, "scroll", event("update", 890.0))
    assert await moves("four")
    stand.last_job.finish()
    await asking


async def test_one_can_ask_on_in_every_conversation_that_one_opens(
    shown: Screen, stand: Stand, app: App
) -> None:
    for prompt in ("first", "second", "third"):
        await app.client.ask(prompt)
        stand.last_job.finish()
    await app.history.refresh()
    await shown.until_still()
    for number in (0, 2, 1, 0):
        titles = [item for item in shown.all(ft.Container) if item.ink]
        await shown.click(titles[number])
        await type_in(shown, "and then?")
        assert not shown.button("Send").disabled
        await type_in(shown, "")
        assert shown.button("Send").disabled


async def test_signing_out_shows_the_way_in(shown: Screen, app: App) -> None:
    await shown.click(shown.button("Sign out"))
    assert not app.signed_in
    assert shown.button("Sign in")


async def test_notices_and_failures_are_drawn(shown: Screen, stand: Stand, app: App) -> None:
    await type_in(shown, "Hello")
    asking = asyncio.create_task(shown.click(shown.button("Send")))
    await until(lambda: bool(stand.jobs))
    stand.last_job.finish(JobState.FAILED, None)
    await asking
    await shown.until_still()
    assert app.chat.bubbles[-1].error in shown.texts()


async def test_a_narrow_page_hides_the_history_behind_a_button(app: App) -> None:
    async with screen(width=400) as shown:
        shown.page.render(AppView, app)
        await shown.until_still()
        assert "Your chats will be listed here." not in shown.texts()
        await shown.click(shown.button("Show chats"))
        assert "Your chats will be listed here." in shown.texts()
        [scrim] = [item for item in shown.all(ft.Container) if item.right == 0]
        await shown.click(scrim)
        assert "Your chats will be listed here." not in shown.texts()


async def test_a_window_that_grows_shows_the_history(app: App) -> None:
    async with screen(width=400) as shown:
        shown.page.render(AppView, app)
        await shown.until_still()
        await shown.happen(shown.page, "resize", {"width": 1000.0, "height": 800.0})
        assert "Your chats will be listed here." in shown.texts()


async def test_a_link_in_an_answer_opens_only_web_pages(
    shown: Screen, stand: Stand, app: App
) -> None:
    await type_in(shown, "Hello")
    asking = asyncio.create_task(shown.click(shown.button("Send")))
    await until(lambda: bool(stand.jobs))
    stand.last_job.say("[here](https://example.com) ![pixel](https://evil.example/x.png)")
    stand.last_job.finish()
    await asking
    await shown.until_still()
    [answer] = shown.all(ft.Markdown)
    assert "![" not in (answer.value or "")
    await shown.happen(answer, "tap_link", "javascript:alert(1)")
    await shown.happen(answer, "tap_link", "file:///etc/passwd")
    await shown.happen(answer, "tap_link", "https://example.com")
    assert shown.launched() == ["https://example.com"]


def test_image_markup_is_made_harmless_and_else_nothing_changes() -> None:
    assert without_images("a ![b](c) ! [d](e)") == "a !\u200b[b](c) ! [d](e)"


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("https://example.com", True),
        ("http://example.com", True),
        ("HTTPS://example.com", True),
        ("javascript:alert(1)", False),
        ("file:///etc/passwd", False),
        ("//example.com", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_only_web_addresses_are_followed(url: str, is_one: bool) -> None:
    assert is_web_address(url) is is_one


def test_components_are_components() -> None:
    assert vars(ConversationRow)["__is_component__"]
