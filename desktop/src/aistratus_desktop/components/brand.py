"""The mark and the name."""

import flet as ft


@ft.component
def Brand(size: float = 28) -> ft.Control:
    """The mark; the name stands beside it where there is room."""
    return ft.Container(
        width=size,
        height=size,
        border_radius=size * 0.3,
        bgcolor=ft.Colors.PRIMARY,
        alignment=ft.Alignment.CENTER,
        content=ft.Icon(ft.Icons.CLOUD_QUEUE_ROUNDED, size=size * 0.6, color=ft.Colors.ON_PRIMARY),
    )
