"""The empty chat: what this is, and suggested questions."""

from collections.abc import Awaitable, Callable

import flet as ft

from aistratus_desktop.components.brand import Brand

SUGGESTIONS = (
    "What is Aistratus?",
    "How does the GPU wake up?",
    "What does it cost when nobody asks?",
)


@ft.component
def Welcome(suggest: Callable[[str], Awaitable[None]]) -> ft.Control:
    """A greeting and some questions; a click on one sends it."""
    return ft.Column(
        expand=True,
        alignment=ft.MainAxisAlignment.CENTER,
        horizontal_alignment=ft.CrossAxisAlignment.CENTER,
        spacing=12,
        scroll=ft.ScrollMode.AUTO,
        controls=[
            Brand(56),
            ft.Text(
                "What would you like to know?",
                size=26,
                weight=ft.FontWeight.W_600,
                text_align=ft.TextAlign.CENTER,
            ),
            ft.Text(
                "Your own language model, on your own account.",
                size=15,
                color=ft.Colors.ON_SURFACE_VARIANT,
                text_align=ft.TextAlign.CENTER,
            ),
            ft.Container(height=8),
            *[_suggestion(text, suggest) for text in SUGGESTIONS],
        ],
    )


def _suggestion(text: str, suggest: Callable[[str], Awaitable[None]]) -> ft.Control:
    async def clicked() -> None:
        await suggest(text)

    return ft.OutlinedButton(
        text,
        style=ft.ButtonStyle(padding=ft.Padding.symmetric(horizontal=20, vertical=14)),
        on_click=clicked,
    )
