"""The frame: the sidebar beside the chat, or over it in a narrow window."""

from collections.abc import Callable

import flet as ft

from aistratus_desktop.components.chat_view import ChatView
from aistratus_desktop.components.icon_button import icon_button
from aistratus_desktop.components.layout import use_is_wide
from aistratus_desktop.components.sidebar import Sidebar
from aistratus_desktop.components.typed import keyed
from aistratus_desktop.state import App


@ft.component
def Shell(app: App) -> ft.Control:
    """The view of a signed-in person."""
    is_wide = use_is_wide()
    is_open, set_is_open = ft.use_state(False)

    def close() -> None:
        set_is_open(False)

    sidebar = keyed("sidebar", Sidebar)(app, app.chat, app.history, close)
    chat = keyed("chat", ChatView)(app.chat, app.take_step)
    if is_wide:
        return ft.Row(
            [sidebar, ft.Container(chat, expand=True)],
            expand=True,
            spacing=0,
            vertical_alignment=ft.CrossAxisAlignment.STRETCH,
        )
    narrow = ft.Column(
        expand=True, spacing=0, controls=[_bar(app, lambda: set_is_open(True)), chat]
    )
    layers: list[ft.Control] = [narrow]
    if is_open:
        layers += [
            ft.Container(
                left=0,
                right=0,
                top=0,
                bottom=0,
                bgcolor=ft.Colors.with_opacity(0.4, ft.Colors.SCRIM),
                on_click=close,
            ),
            ft.Container(
                left=0, top=0, bottom=0, shadow=ft.BoxShadow(blur_radius=16), content=sidebar
            ),
        ]
    return ft.Stack(layers, expand=True)


def _bar(app: App, show: Callable[[], None]) -> ft.Control:
    return ft.Container(
        padding=ft.Padding.symmetric(horizontal=4, vertical=4),
        content=ft.Row(
            controls=[
                icon_button(ft.Icons.MENU, "Show chats", on_click=show),
                ft.Text("Aistratus", size=17, weight=ft.FontWeight.W_600, expand=True),
                icon_button(ft.Icons.EDIT_OUTLINED, "New chat", on_click=app.chat.new),
            ]
        ),
    )
