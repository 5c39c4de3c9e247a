"""A Flet page without a client: what a component draws, and what a click does.

Flet's session does everything as in the app; only the wire to the client is missing. What is
private to Flet, or untyped in it, is touched here and nowhere else.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import flet as ft
import msgpack  # type: ignore[import-untyped]
from flet.components.component import Component
from flet.controls.context import _context_page
from flet.messaging.connection import Connection
from flet.messaging.protocol import (
    InvokeMethodRequestBody,
    Message,
    configure_encode_object_for_msgpack,
)
from flet.messaging.session import Session
from flet.pubsub.pubsub_hub import PubSubHub

from support.desktop_until import until

C = TypeVar("C", bound=ft.BaseControl)


class _NoClient(Connection):
    """Remembers what it would send; answers each method call with None."""

    def __init__(self) -> None:
        init: Any = super().__init__
        init()
        self.pubsubhub = PubSubHub(loop=asyncio.get_running_loop())
        self.calls: list[InvokeMethodRequestBody] = []
        self.session: Any = None

    def send_message(self, message: Message) -> None:
        _encode([message.action, message.body])
        if isinstance(message.body, InvokeMethodRequestBody):
            body = message.body
            self.calls.append(body)
            asyncio.get_running_loop().call_soon(
                self.session.handle_invoke_method_results, body.control_id, body.call_id, None, None
            )

    def dispose(self) -> None:
        pass


@dataclass
class Screen:
    """A page with something on it."""

    page: ft.Page
    session: Any
    connection: _NoClient

    def controls(self) -> Iterator[ft.BaseControl]:
        """Everything that is drawn, from the root down, dialogs last."""
        yield from _walk(self.page.views[0])
        dialogs: Any = self.page._dialogs
        yield from _walk([item for item in dialogs.controls if item.open])

    def all(self, kind: type[C]) -> list[C]:
        return [item for item in self.controls() if isinstance(item, kind)]

    def texts(self) -> list[str]:
        """What can be read, from top to bottom."""
        found = []
        for item in self.controls():
            if isinstance(item, ft.Text | ft.Markdown):
                found.append(item.value or "")
            elif isinstance(getattr(item, "content", None), str):
                found.append(item.content)  # type: ignore[attr-defined]
        return [text for text in found if text]

    def button(self, name: str) -> Any:
        """The button with that name; fails unless there is exactly one."""
        [found] = [item for item in self.controls() if _name(item) == name]
        return found

    async def click(self, control: Any) -> None:
        await self.happen(control, "click")

    async def happen(self, control: Any, event: str, data: object = None) -> None:
        """Dispatch an event from the client; return once its handler has."""
        await self.session.dispatch_event(control._i, event, data)
        await self.until_still()

    async def until_still(self) -> None:
        """Wait until everything pending is drawn."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def until(self, holds: Callable[[], bool]) -> None:
        await until(holds)
        await self.until_still()

    def called(self) -> list[str]:
        """The names of the methods that the client was told to call."""
        return [call.name for call in self.connection.calls]

    def launched(self) -> list[str]:
        """The addresses that the client was told to open."""
        return [
            str(call.args["url"])
            for call in self.connection.calls
            if call.name == "launch_url" and call.args
        ]


@asynccontextmanager
async def screen(width: float = 1200) -> AsyncIterator[Screen]:
    """An empty page of that width, to call `page.render` on."""
    connection = _NoClient()
    connection.loop = asyncio.get_running_loop()
    session: Any = Session(connection)
    connection.session = session
    page: ft.Page = session.page
    session.apply_page_patch({"width": width, "height": 800, "web": True})
    current: Any = _context_page
    token = current.set(page)
    _encode(session.get_page_patch())
    try:
        yield Screen(page, session, connection)
    finally:
        session.close()
        await asyncio.sleep(0)
        current.reset(token)


def _encode(message: object) -> bytes:
    """A message as it travels. Flet remembers from this what the client has seen."""
    encode: Any = configure_encode_object_for_msgpack
    packed: bytes = msgpack.packb(message, default=encode(ft.BaseControl))
    return packed


def _name(control: ft.BaseControl) -> str | None:
    if isinstance(control, ft.IconButton) and isinstance(control.icon, ft.Icon):
        return control.icon.semantics_label
    is_button = isinstance(
        control, ft.FilledButton | ft.FilledTonalButton | ft.TextButton | ft.OutlinedButton
    )
    content = getattr(control, "content", None)
    return content if is_button and isinstance(content, str) else None


def _walk(control: Any) -> Iterator[ft.BaseControl]:
    while isinstance(control, Component):
        control = control._b
    if isinstance(control, list):
        for item in control:
            yield from _walk(item)
    elif isinstance(control, ft.BaseControl):
        yield control
        for name in ("controls", "content", "title", "actions"):
            child = getattr(control, name, None)
            if isinstance(child, list | ft.BaseControl):
                yield from _walk(child)
