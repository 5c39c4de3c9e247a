"""One page of the app: creates its model, draws it, and closes both together."""

import flet as ft

from aistratus_desktop.components import AppView, dress
from aistratus_desktop.gateway import GatewayClient, TokenSource
from aistratus_desktop.state import App, Door


async def show(page: ft.Page, api_url: str, tokens: TokenSource, door: Door) -> App:
    """Put the app on a page; returns its model once the history is loaded."""
    client = GatewayClient(api_url, tokens)
    app = App(client, door)

    async def closed() -> None:
        app.close()
        await client.close()

    page.on_close = closed
    dress(page)
    page.render(AppView, app)
    await app.start()
    return app
