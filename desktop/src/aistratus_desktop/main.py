"""The chat in its own window: `flet run` in the folder `desktop`."""

from collections.abc import Callable

import flet as ft

from aistratus_desktop.components import dress
from aistratus_desktop.native import KeyringStore, sign_in_with_browser
from aistratus_desktop.settings import SettingsError, load_settings
from aistratus_desktop.signin import ManagedLogin
from aistratus_desktop.tokens import Tokens
from aistratus_desktop.window import show


class NativeDoor:
    """Signs in the person at a native window, through the system's browser."""

    def __init__(
        self, login: ManagedLogin, tokens: Tokens, open_browser: Callable[[str], object]
    ) -> None:
        self._login = login
        self._tokens = tokens
        self._open_browser = open_browser

    @property
    def signed_in(self) -> bool:
        """Whether there are tokens, possibly from an earlier run."""
        return self._tokens.signed_in

    async def sign_in(self) -> None:
        """Open the browser and wait for it to come back."""
        tokens = await sign_in_with_browser(
            self._login, announce=lambda _url: None, open_browser=self._open_browser
        )
        self._tokens.sign_in(tokens)

    async def sign_out(self) -> None:
        """Delete the tokens, here and in the keyring."""
        await self._tokens.sign_out()


async def main(page: ft.Page) -> None:
    """Flet's entry point: one page, which is the window."""
    try:
        settings = load_settings()
    except SettingsError as error:
        dress(page)
        page.add(ft.Container(ft.Text(str(error), size=16), padding=32))
        return
    login = ManagedLogin(settings.login_url, settings.client_id)
    tokens = Tokens(login, KeyringStore(settings.login_url))

    def open_browser(url: str) -> None:
        page.run_task(ft.UrlLauncher().launch_url, url)

    await show(page, settings.api_url, tokens, NativeDoor(login, tokens, open_browser))


def run() -> None:
    """Open the window; returns when it is closed."""
    ft.run(main)
