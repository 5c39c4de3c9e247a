"""An error as a sentence, with a button that helps and one that dismisses it."""

from collections.abc import Awaitable, Callable

import flet as ft

from aistratus_desktop.components.icon_button import icon_button
from aistratus_desktop.state import NextStep, Trouble


@ft.component
def Banner(
    trouble: Trouble,
    take_step: Callable[[NextStep], Awaitable[None]],
    dismiss: Callable[[], None] | None = None,
) -> ft.Control:
    """The banner: one line if it fits, else more; screen readers read it out when it appears."""
    step = trouble.next_step

    async def clicked() -> None:
        if step:
            await take_step(step)

    row: list[ft.Control] = [
        ft.Icon(ft.Icons.ERROR_OUTLINE, size=20, color=ft.Colors.ON_ERROR_CONTAINER),
        ft.Semantics(
            live_region=True,
            container=True,
            expand=True,
            content=ft.Text(trouble.sentence, size=14, color=ft.Colors.ON_ERROR_CONTAINER),
        ),
    ]
    if step:
        row.append(
            ft.TextButton(
                step.value,
                style=ft.ButtonStyle(color=ft.Colors.ON_ERROR_CONTAINER),
                on_click=clicked,
            )
        )
    if dismiss:
        row.append(
            icon_button(
                ft.Icons.CLOSE,
                "Dismiss",
                size=18,
                color=ft.Colors.ON_ERROR_CONTAINER,
                on_click=dismiss,
            )
        )
    return ft.Container(
        bgcolor=ft.Colors.ERROR_CONTAINER,
        border_radius=12,
        padding=ft.Padding.symmetric(horizontal=14, vertical=4),
        content=ft.Row(row, spacing=12, vertical_alignment=ft.CrossAxisAlignment.CENTER),
    )
