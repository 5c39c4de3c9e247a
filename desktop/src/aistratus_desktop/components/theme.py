"""Colours, measures and the page's settings, in one place."""

from typing import Final

import flet as ft

SEED: Final = "#2456C7"
# Maximum widths: where there is less room, less is used.
CONTENT_WIDTH: Final = 760
SIDEBAR_WIDTH: Final = 288
# Below this there is no room for a sidebar beside the text (Material 3: "medium" begins at 600).
WIDE_FROM: Final = 840
GAP: Final = 16
RADIUS: Final = 18
BODY_SIZE: Final = 15.5
LINE_HEIGHT: Final = 1.5
LETTER_SPACING: Final = 0.1


def dress(page: ft.Page) -> None:
    """Apply Material 3 from one seed colour, light or dark as the system is.

    The primary colour is set explicitly: Material would soften the seed.
    """
    page.title = "Aistratus"
    page.padding = 0
    page.theme_mode = ft.ThemeMode.SYSTEM
    page.theme = ft.Theme(
        color_scheme_seed=SEED,
        color_scheme=ft.ColorScheme(primary=SEED, on_primary="#FFFFFF"),
    )
    page.dark_theme = ft.Theme(
        color_scheme_seed=SEED,
        color_scheme=ft.ColorScheme(primary="#86AAFF", on_primary="#0B1526"),
    )


def body_style(*, color: str | None = None) -> ft.TextStyle:
    """The style of text that is read at length."""
    return ft.TextStyle(
        size=BODY_SIZE, height=LINE_HEIGHT, letter_spacing=LETTER_SPACING, color=color
    )
