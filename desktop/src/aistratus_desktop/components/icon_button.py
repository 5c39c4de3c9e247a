"""Icon buttons: each has a name, for its tooltip and for screen readers."""

from collections.abc import Awaitable, Callable

import flet as ft


def icon_button(
    icon: ft.IconData,
    name: str,
    *,
    on_click: Callable[[], Awaitable[None] | None],
    size: float = 24,
    color: ft.Colors | None = None,
    disabled: bool = False,
    style: ft.ButtonStyle | None = None,
    margin: ft.Margin | None = None,
) -> ft.IconButton:
    """An icon button. The name is the icon's label, from which the button inherits it."""
    return ft.IconButton(
        ft.Icon(icon, size=size, color=color, semantics_label=name),
        tooltip=ft.Tooltip(name, exclude_from_semantics=True),
        disabled=disabled,
        style=style,
        margin=margin,
        on_click=on_click,
    )
