"""The logo: a cloud with an arrow rising from it, on a tile in the theme's colour."""

import flet as ft

# The same drawing as on the pages that are not Flet's.
_MARK = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" fill="none" stroke="black"
 stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round">
<path d="M9 24h14a6 6 0 0 0 .6-11.97A8 8 0 0 0 8.3 13.1 5.5 5.5 0 0 0 9 24Z"/>
<path d="M12.5 19.5 16 14l3.5 5.5"/></svg>"""


@ft.component
def Brand(size: float = 28) -> ft.Control:
    """The logo as decoration, hidden from screen readers: the name is beside it or shown before."""
    return ft.Container(
        width=size,
        height=size,
        border_radius=size * 0.3,
        bgcolor=ft.Colors.PRIMARY,
        alignment=ft.Alignment.CENTER,
        content=ft.Image(
            src=_MARK,
            width=size * 0.72,
            height=size * 0.72,
            color=ft.Colors.ON_PRIMARY,
            exclude_from_semantics=True,
        ),
    )
