"""Where the prompt is written, sent, and its answer stopped."""

from collections.abc import Awaitable, Callable

import flet as ft

from aistratus_desktop.components.theme import BODY_SIZE
from aistratus_desktop.components.typed import keyed, once
from aistratus_desktop.state import Chat, Draft, Phase

MAX_LINES = 8


@ft.component
def Composer(chat: Chat, draft: Draft) -> ft.Control:
    """Enter sends, Shift+Enter begins a new line; while an answer runs, Send is Stop."""
    return ft.Container(
        bgcolor=ft.Colors.SURFACE_CONTAINER_HIGH,
        border_radius=26,
        padding=ft.Padding.only(left=20, right=6, top=4, bottom=4),
        content=ft.Row(
            vertical_alignment=ft.CrossAxisAlignment.END,
            spacing=8,
            controls=[
                keyed(f"prompt-{draft.generation}", _PROMPT_FIELD)(
                    draft.initial, draft.typed, chat.send
                ),
                _button(chat),
            ],
        ),
    )


@ft.component
def PromptField(
    initial: str, typed: Callable[[str], None], send: Callable[[], Awaitable[None]]
) -> ft.Control:
    """The field. It is drawn once for each generation of the draft, and never written into."""

    def changed(event: ft.Event[ft.TextField]) -> None:
        typed(str(event.data or ""))

    async def submitted() -> None:
        await send()

    return ft.TextField(
        value=initial,
        hint_text="Ask anything",
        multiline=True,
        min_lines=1,
        max_lines=MAX_LINES,
        shift_enter=True,
        autofocus=True,
        expand=True,
        border=ft.NoInputBorder(),
        text_size=BODY_SIZE,
        content_padding=ft.Padding.symmetric(vertical=14),
        on_change=changed,
        on_submit=submitted,
    )


_PROMPT_FIELD = once(PromptField)


def _button(chat: Chat) -> ft.Control:
    if chat.phase in (Phase.IDLE, Phase.LOADING):
        return ft.IconButton(
            ft.Icons.ARROW_UPWARD_ROUNDED,
            tooltip="Send",
            disabled=not chat.can_send,
            style=_style(ft.Colors.PRIMARY, ft.Colors.ON_PRIMARY),
            on_click=chat.send,
        )
    return ft.IconButton(
        ft.Icons.STOP_ROUNDED,
        tooltip="Stop",
        disabled=not chat.can_stop,
        style=_style(ft.Colors.INVERSE_SURFACE, ft.Colors.ON_INVERSE_SURFACE),
        on_click=chat.stop,
    )


def _style(background: ft.Colors, foreground: ft.Colors) -> ft.ButtonStyle:
    return ft.ButtonStyle(
        bgcolor={
            ft.ControlState.DEFAULT: background,
            ft.ControlState.DISABLED: ft.Colors.SURFACE_CONTAINER_HIGHEST,
        },
        icon_color={
            ft.ControlState.DEFAULT: foreground,
            ft.ControlState.DISABLED: ft.Colors.OUTLINE,
        },
    )
