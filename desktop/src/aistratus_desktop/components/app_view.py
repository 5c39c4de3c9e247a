"""The root component: the sign-in view or the shell."""

import flet as ft

from aistratus_desktop.components.shell import Shell
from aistratus_desktop.components.sign_in_view import SignInView
from aistratus_desktop.state import App


@ft.component
def AppView(app: App) -> ft.Control:
    """The whole window, clear of notches and system bars."""
    view = Shell(app) if app.signed_in else SignInView(app)
    return ft.SafeArea(ft.Container(view, expand=True), expand=True)
