"""The history, and who is in."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.responses import JSONResponse

from aistratus_contracts.errors import ErrorCode
from aistratus_desktop.gateway import GatewayClient
from aistratus_desktop.signin import SignInFailed
from aistratus_desktop.state import App, NextStep
from support.desktop_stand import Stand, problem
from support.desktop_until import now, until

pytestmark = pytest.mark.anyio


class OpenDoor:
    """Lets everybody in who asks, unless it is `stuck`."""

    def __init__(self, *, signed_in: bool = True) -> None:
        self.signed_in = signed_in
        self.stuck = False

    async def sign_in(self) -> None:
        if self.stuck:
            raise SignInFailed("The sign-in was not completed. Sign in once more.")
        self.signed_in = True

    async def sign_out(self) -> None:
        self.signed_in = False


@pytest.fixture
def door() -> OpenDoor:
    return OpenDoor()


@pytest.fixture
async def app(client: GatewayClient, door: OpenDoor) -> AsyncIterator[App]:
    app = App(client, door)
    yield app
    app.close()
    await asyncio.sleep(0)


async def say(app: App, stand: Stand, prompt: str) -> str:
    """A finished turn; returns its conversation."""
    accepted = await app.client.ask(prompt, conversation_id=app.chat.conversation_id)
    stand.jobs[accepted.job_id].finish()
    return accepted.conversation_id


async def test_who_is_in_finds_the_history(app: App, stand: Stand) -> None:
    await say(app, stand, "first")
    await say(app, stand, "second")
    await app.start()
    assert [item.title for item in app.history.conversations] == ["second", "first"]
    assert not app.history.is_loading


async def test_who_is_not_in_asks_for_nothing(client: GatewayClient, stand: Stand) -> None:
    app = App(client, OpenDoor(signed_in=False))
    await app.start()
    assert not app.signed_in
    assert stand.calls == []


async def test_signing_in_brings_the_history(client: GatewayClient, stand: Stand) -> None:
    app = App(client, OpenDoor(signed_in=False))
    await say(app, stand, "first")
    await app.sign_in()
    assert app.signed_in
    assert not app.is_signing_in
    assert len(app.history.conversations) == 1


async def test_a_sign_in_that_fails_is_told(client: GatewayClient) -> None:
    door = OpenDoor(signed_in=False)
    door.stuck = True
    app = App(client, door)
    await app.sign_in()
    assert not now(app.signed_in)
    assert "not completed" in str(app.trouble)
    door.stuck = False
    await app.take_step(NextStep.SIGN_IN)
    assert app.signed_in
    assert now(app.trouble) is None


async def test_signing_out_leaves_nothing_behind(app: App, door: OpenDoor, stand: Stand) -> None:
    conversation_id = await say(app, stand, "first")
    await app.start()
    await app.chat.open(conversation_id)
    app.chat.draft.typed("half a thought")
    await app.sign_out()
    assert (app.signed_in, door.signed_in) == (False, False)
    assert app.history.conversations == []
    assert app.chat.bubbles == []
    assert app.chat.draft.text == ""


async def test_a_new_turn_appears_in_the_history(app: App, stand: Stand) -> None:
    await app.start()
    app.chat.draft.typed("first")
    sending = asyncio.create_task(app.chat.send())
    await until(lambda: bool(app.history.conversations))
    assert app.history.conversations[0].conversation_id == app.chat.conversation_id
    stand.last_job.finish()
    await sending


async def test_forgetting_what_is_on_the_screen_begins_a_new_chat(app: App, stand: Stand) -> None:
    first, second = await say(app, stand, "first"), await say(app, stand, "second")
    await app.start()
    await app.chat.open(first)
    await app.delete(second)
    assert now(app.chat.conversation_id) == first
    await app.delete(first)
    assert app.chat.conversation_id is None
    assert app.history.conversations == []
    assert stand.deleted == {first, second}


async def test_forgetting_that_fails_forgets_nothing(app: App, stand: Stand) -> None:
    first = await say(app, stand, "first")
    await app.start()
    await app.chat.open(first)
    stand.refuse_next = [problem(403, ErrorCode.FORBIDDEN, "You may not.")]
    await app.delete(first)
    assert app.chat.conversation_id == first
    assert len(app.history.conversations) == 1
    assert app.history.trouble is not None
    await app.history.refresh()
    assert app.history.trouble is None


async def test_a_history_that_cannot_be_had_is_told(app: App, stand: Stand) -> None:
    stand.refuse_next = [JSONResponse({}, 503)] * 4
    await app.start()
    assert app.history.trouble is not None
    assert app.history.trouble.next_step is NextStep.RETRY
    assert not app.history.is_loading


async def test_older_conversations_come_on_request(app: App, stand: Stand) -> None:
    for prompt in ("one", "two", "three"):
        await say(app, stand, prompt)
    stand.page_size = 2
    await app.start()
    assert [item.title for item in app.history.conversations] == ["three", "two"]
    await app.history.more()
    assert [item.title for item in app.history.conversations] == ["three", "two", "one"]
    assert app.history.next_cursor is None
    await app.history.more()
    assert len(app.history.conversations) == 3


async def test_the_next_step_new_chat_begins_one(app: App) -> None:
    await app.chat.open("conv-none")
    await app.take_step(NextStep.NEW_CHAT)
    assert app.chat.trouble is None
    assert app.chat.conversation_id is None


async def test_the_next_step_retry_tries_again(app: App, stand: Stand) -> None:
    stand.refuse_next = [JSONResponse({}, 503)] * 4
    app.chat.draft.typed("precious")
    await app.chat.send()
    retrying = asyncio.create_task(app.take_step(NextStep.RETRY))
    await until(lambda: bool(stand.jobs))
    stand.last_job.finish()
    await retrying
    assert app.chat.trouble is None
