"""The view of a person who is signed out."""

import flet as ft

from aistratus_desktop.components.banner import Banner
from aistratus_desktop.components.brand import Brand
from aistratus_desktop.components.theme import GAP
from aistratus_desktop.state import App


@ft.component
def SignInView(app: App) -> ft.Control:
    """The name, a sentence, and one button."""

    def dismiss() -> None:
        app.trouble = None

    rows: list[ft.Control] = [
        Brand(64),
        ft.Text("Aistratus", size=32, weight=ft.FontWeight.W_600),
        ft.Text(
            "Your own language model, on your own account.",
            size=16,
            color=ft.Colors.ON_SURFACE_VARIANT,
            text_align=ft.TextAlign.CENTER,
        ),
        ft.Container(height=8),
        ft.FilledButton(
            "Waiting for your browser …" if app.is_signing_in else "Sign in",
            icon=ft.Icons.LOGIN,
            disabled=app.is_signing_in,
            style=ft.ButtonStyle(padding=ft.Padding.symmetric(horizontal=32, vertical=18)),
            on_click=app.sign_in,
        ),
    ]
    if app.trouble:
        rows.append(Banner(app.trouble, app.take_step, dismiss))
    return ft.Container(
        expand=True,
        alignment=ft.Alignment.CENTER,
        padding=GAP,
        content=ft.Container(
            width=440,
            content=ft.Column(
                rows,
                tight=True,
                spacing=GAP,
                horizontal_alignment=ft.CrossAxisAlignment.CENTER,
            ),
        ),
    )
