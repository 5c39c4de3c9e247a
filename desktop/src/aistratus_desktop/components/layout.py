"""Whether there is room for the sidebar."""

import flet as ft

from aistratus_desktop.components.theme import WIDE_FROM


def is_wide_now() -> bool:
    """Whether a sidebar fits beside the chat at this moment."""
    return (ft.context.page.width or WIDE_FROM) >= WIDE_FROM


def use_is_wide() -> bool:
    """A hook: whether a sidebar fits beside the chat; redraws when the window changes."""
    page = ft.context.page
    is_wide, set_is_wide = ft.use_state(is_wide_now())

    def watch() -> None:
        def resized(event: ft.PageResizeEvent) -> None:
            set_is_wide(event.width >= WIDE_FROM)

        page.on_resize = resized

    ft.use_effect(watch, [])
    return is_wide
