"""The whole app as one model: the sign-in, the chat, the history."""

from dataclasses import dataclass, field
from typing import Protocol

import flet as ft

from aistratus_desktop.gateway import GatewayClient, GatewayError
from aistratus_desktop.state.chat import Chat
from aistratus_desktop.state.history import History
from aistratus_desktop.state.trouble import NextStep, Trouble, trouble_of


class Door(Protocol):
    """Signs a person in and out; a browser and a native window do it differently."""

    @property
    def signed_in(self) -> bool:
        """Whether a person is signed in."""
        ...

    async def sign_in(self) -> None:
        """Sign a person in; raises `GatewayError`. A browser leaves the page for it."""
        ...

    async def sign_out(self) -> None:
        """Sign the person out."""
        ...


@ft.observable
@dataclass(eq=False)
class App:
    """The model of one window or one browser tab."""

    client: GatewayClient
    door: Door
    signed_in: bool = False
    is_signing_in: bool = False
    trouble: Trouble | None = None
    chat: Chat = field(init=False)
    history: History = field(init=False)

    def __post_init__(self) -> None:
        self.signed_in = self.door.signed_in
        self.history = History(self.client)
        self.chat = Chat(self.client, after_turn=self.history.refresh)

    async def start(self) -> None:
        """Load the history if a person is signed in."""
        if self.signed_in:
            await self.history.refresh()

    async def sign_in(self) -> None:
        """Sign in through the managed login."""
        self.trouble = None
        self.is_signing_in = True
        try:
            await self.door.sign_in()
        except GatewayError as error:
            self.trouble = trouble_of(error)
        finally:
            self.is_signing_in = False
        self.signed_in = self.door.signed_in
        await self.start()

    async def sign_out(self) -> None:
        """Sign out and clear everything of this person from the screen."""
        self.chat.new()
        self.history.conversations = []
        self.history.trouble = None
        self.signed_in = False
        await self.door.sign_out()

    async def delete(self, conversation_id: str) -> None:
        """Delete a conversation; if it is on the screen, a new one takes its place."""
        gone = await self.history.delete(conversation_id)
        if gone and self.chat.conversation_id == conversation_id:
            self.chat.new()

    async def take_step(self, step: NextStep) -> None:
        """Do what the button beside an error says."""
        match step:
            case NextStep.SIGN_IN:
                await self.sign_in()
            case NextStep.NEW_CHAT:
                self.chat.new()
            case NextStep.RETRY:
                await self.chat.retry()

    def close(self) -> None:
        """Stop following the answer: the window or tab is closed."""
        self.chat.leave()
