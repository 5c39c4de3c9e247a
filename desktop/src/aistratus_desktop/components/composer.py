"""The composer: write a prompt, send it, stop its answer."""

from collections.abc import Awaitable, Callable

import flet as ft

from aistratus_desktop.components.icon_button import icon_button
from aistratus_desktop.components.layout import is_wide_now
from aistratus_desktop.components.theme import BODY_SIZE
from aistratus_desktop.components.typed import once
from aistratus_desktop.state import Chat, Draft, Phase

MAX_LINES = 8
# The button is lower than a one-line field, and stays beside the last line.
_BUTTON_MARGIN = ft.Margin.only(bottom=4)


@ft.component
def Composer(chat: Chat, draft: Draft) -> ft.Control:
    """Enter sends, Shift+Enter begins a new line; while an answer runs, Send becomes Stop."""
    return ft.Container(
        bgcolor=ft.Colors.SURFACE_CONTAINER_HIGH,
        border_radius=26,
        padding=ft.Padding.only(left=20, right=6, top=4, bottom=4),
        content=ft.Row(
            vertical_alignment=ft.CrossAxisAlignment.END,
            spacing=8,
            controls=[
                _PROMPT_FIELD(draft.initial, draft.generation, draft.typed, chat.send),
                _button(chat),
            ],
        ),
    )


@ft.component
def PromptField(
    initial: str,
    generation: int,  # noqa: ARG001  # only triggers a redraw when it changes
    typed: Callable[[str], None],
    send: Callable[[], Awaitable[None]],
) -> ft.Control:
    """The prompt field. It is redrawn for each generation of the draft, not while one types.

    It takes the focus on wide screens only: on a phone that would open the keyboard unasked.
    """

    def changed(event: ft.Event[ft.TextField]) -> None:
        typed(str(event.data or ""))

    async def submitted() -> None:
        await send()

    text_field = ft.TextField(
        value=initial,
        hint_text="Ask anything",
        multiline=True,
        min_lines=1,
        max_lines=MAX_LINES,
        shift_enter=True,
        autofocus=is_wide_now(),
        expand=True,
        border=ft.NoInputBorder(),
        text_size=BODY_SIZE,
        content_padding=ft.Padding.symmetric(vertical=14),
        on_change=changed,
        on_submit=submitted,
    )
    return ft.Semantics(content=text_field, label="Prompt", expand=True)


_PROMPT_FIELD = once(PromptField)


def _button(chat: Chat) -> ft.Control:
    if chat.phase in (Phase.IDLE, Phase.LOADING):
        return icon_button(
            ft.Icons.ARROW_UPWARD_ROUNDED,
            "Send",
            disabled=not chat.can_send,
            style=_style(ft.Colors.PRIMARY, ft.Colors.ON_PRIMARY),
            on_click=chat.send,
            margin=_BUTTON_MARGIN,
        )
    return icon_button(
        ft.Icons.STOP_ROUNDED,
        "Stop",
        disabled=not chat.can_stop,
        style=_style(ft.Colors.INVERSE_SURFACE, ft.Colors.ON_INVERSE_SURFACE),
        on_click=chat.stop,
        margin=_BUTTON_MARGIN,
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
