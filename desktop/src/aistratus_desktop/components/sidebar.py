"""The sidebar: new chat, the history, sign out."""

from collections.abc import Awaitable, Callable

import flet as ft

from aistratus_desktop.components.banner import Banner
from aistratus_desktop.components.brand import Brand
from aistratus_desktop.components.icon_button import icon_button
from aistratus_desktop.components.theme import SIDEBAR_WIDTH
from aistratus_desktop.components.typed import keyed
from aistratus_desktop.gateway import ConversationSummary
from aistratus_desktop.state import App, Chat, History, NextStep


@ft.component
def Sidebar(app: App, chat: Chat, history: History, close: Callable[[], None]) -> ft.Control:
    """New chat, the conversations, sign out. Choosing a chat calls `close`."""
    doomed, set_doomed = use_doomed()

    async def choose(conversation_id: str) -> None:
        close()
        await chat.open(conversation_id)

    def new() -> None:
        close()
        chat.new()

    async def delete() -> None:
        set_doomed(None)
        if doomed:
            await app.delete(doomed.conversation_id)

    async def again(_step: NextStep) -> None:
        await history.refresh()

    ft.use_dialog(_question(doomed, delete, lambda: set_doomed(None)) if doomed else None)
    rows: list[ft.Control] = [
        ft.Row(
            key="name",
            spacing=12,
            controls=[
                Brand(32),
                ft.Text("Aistratus", size=19, weight=ft.FontWeight.W_600),
            ],
        ),
        ft.FilledTonalButton(
            "New chat", key="new", icon=ft.Icons.EDIT_OUTLINED, height=42, on_click=new
        ),
    ]
    if history.trouble:
        rows.append(keyed("trouble", Banner)(history.trouble, again))
    rows.append(_list(chat, history, choose, set_doomed))
    rows.append(ft.TextButton("Sign out", key="out", icon=ft.Icons.LOGOUT, on_click=app.sign_out))
    return ft.Container(
        width=SIDEBAR_WIDTH,
        bgcolor=ft.Colors.SURFACE_CONTAINER_LOW,
        padding=ft.Padding.only(left=12, right=12, top=18, bottom=12),
        content=ft.Column(rows, spacing=14, horizontal_alignment=ft.CrossAxisAlignment.STRETCH),
    )


def use_doomed() -> tuple[ConversationSummary | None, Callable[[ConversationSummary | None], None]]:
    """A hook: the conversation that is to be deleted once the person confirms."""
    nobody: ConversationSummary | None = None
    doomed, set_doomed = ft.use_state(nobody)
    return doomed, set_doomed


def _list(
    chat: Chat,
    history: History,
    choose: Callable[[str], Awaitable[None]],
    set_doomed: Callable[[ConversationSummary | None], None],
) -> ft.Control:
    if not history.conversations:
        text = "" if history.is_loading or history.trouble else "Your chats will be listed here."
        return ft.Container(
            key="list",
            expand=True,
            padding=8,
            content=ft.Text(text, size=13.5, color=ft.Colors.ON_SURFACE_VARIANT),
        )
    rows: list[ft.Control] = [
        keyed(item.conversation_id, ConversationRow)(
            item, item.conversation_id == chat.conversation_id, choose, set_doomed
        )
        for item in history.conversations
    ]
    if history.next_cursor:
        rows.append(
            ft.TextButton(
                "Older chats", key="older", disabled=history.is_loading, on_click=history.more
            )
        )
    return ft.ListView(key="list", expand=True, spacing=2, controls=rows)


@ft.component
def ConversationRow(
    item: ConversationSummary,
    is_open: bool,
    choose: Callable[[str], Awaitable[None]],
    doom: Callable[[ConversationSummary | None], None],
) -> ft.Control:
    """A conversation's title; a click opens it, the button beside it deletes it."""

    async def chosen() -> None:
        await choose(item.conversation_id)

    return ft.Container(
        border_radius=12,
        bgcolor=ft.Colors.SECONDARY_CONTAINER if is_open else None,
        content=ft.Row(
            spacing=0,
            controls=[
                ft.Semantics(
                    container=True,
                    button=True,
                    selected=is_open,
                    expand=True,
                    content=ft.Container(
                        border_radius=12,
                        padding=ft.Padding.symmetric(horizontal=12, vertical=10),
                        ink=True,
                        on_click=chosen,
                        content=ft.Text(
                            item.title,
                            size=14,
                            max_lines=1,
                            overflow=ft.TextOverflow.ELLIPSIS,
                            weight=ft.FontWeight.W_500 if is_open else None,
                        ),
                    ),
                ),
                ft.Semantics(
                    container=True,
                    content=icon_button(
                        ft.Icons.DELETE_OUTLINE,
                        f"Delete “{item.title}”",
                        size=18,
                        color=ft.Colors.ON_SURFACE_VARIANT,
                        on_click=lambda: doom(item),
                    ),
                ),
            ],
        ),
    )


def _question(
    item: ConversationSummary, delete: Callable[[], Awaitable[None]], keep: Callable[[], None]
) -> ft.AlertDialog:
    return ft.AlertDialog(
        modal=True,
        title=ft.Text("Delete this chat?"),
        content=ft.Text(f"“{item.title}” and its answers are gone for good, on every device."),
        actions=[
            ft.TextButton("Keep", on_click=keep),
            ft.FilledButton("Delete", on_click=delete),
        ],
        on_dismiss=keep,
    )
