"""The chat in a browser: `python -m aistratus_desktop.web --port 8550`.

One server on one person's machine. It serves Flet's page and its websocket, and three routes of
its own for signing in and out. Tokens stay in this server (see `browsers`); it recognizes a
browser by a cookie.
"""

import argparse
import os
import socket
import sys
import warnings
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import flet as ft
import flet_web.fastapi  # type: ignore[import-untyped]  # has no types of its own
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from aistratus_desktop.browsers import SIGN_IN_SECONDS, Browsers
from aistratus_desktop.doorkeeper import (
    SESSION_COOKIE,
    Doorkeeper,
    current_session_id,
    plain_page,
)
from aistratus_desktop.gateway import GatewayError, SignInNeeded
from aistratus_desktop.settings import Settings, SettingsError, load_settings
from aistratus_desktop.signin import ManagedLogin
from aistratus_desktop.tokens import Tokens
from aistratus_desktop.window import show

DEFAULT_PORT: Final = 8550
SIGN_IN_COOKIE: Final = "aistratus_sign_in"
CALLBACK_PATH: Final = "/callback"
# A disconnected page is kept this long, in case its browser reconnects.
PAGE_SECONDS: Final = 300
_ASSETS: Final = Path(__file__).parent / "assets"


@dataclass(frozen=True, slots=True)
class WebDoor:
    """Signs a browser in: it leaves the page for the login and comes back to a new page."""

    page: ft.Page
    tokens: Tokens | None

    @property
    def signed_in(self) -> bool:
        """Whether this browser's session is valid."""
        return self.tokens is not None and self.tokens.signed_in

    async def sign_in(self) -> None:
        """Send the browser to the login."""
        await _go("/signin")

    async def sign_out(self) -> None:
        """Send the browser to the route that ends its session."""
        await _go("/signout")


async def _go(path: str) -> None:
    await ft.UrlLauncher().launch_url(path, web_only_window_name="_self")


class _SignedOut:
    """The token source of a browser that is signed out."""

    async def access_token(self) -> str:
        raise SignInNeeded

    async def refresh(self) -> None:
        raise SignInNeeded


class SignInRoutes:
    """The three routes that a browser visits to sign in and out."""

    def __init__(self, browsers: Browsers, *, secure: bool) -> None:
        self._browsers = browsers
        self._secure = secure

    def routes(self) -> list[Route]:
        """The routes, for the server."""
        return [
            Route("/signin", self.begin, methods=["GET"]),
            Route(CALLBACK_PATH, self.finish, methods=["GET"]),
            Route("/signout", self.leave, methods=["GET"]),
        ]

    async def begin(self, _request: Request) -> Response:
        """Mark this browser's sign-in with a cookie and redirect it to the login."""
        sign_in_id, url = self._browsers.begin_sign_in()
        response = _redirect(url)
        # Lax: the login's redirect back is a navigation from another site and must carry it.
        response.set_cookie(
            SIGN_IN_COOKIE,
            sign_in_id,
            max_age=SIGN_IN_SECONDS,
            path=CALLBACK_PATH,
            httponly=True,
            samesite="lax",
            secure=self._secure,
        )
        return response

    async def finish(self, request: Request) -> Response:
        """Exchange the code that the browser brings back, and open a session for it."""
        try:
            session_id = await self._browsers.finish_sign_in(
                request.cookies.get(SIGN_IN_COOKIE, ""), dict(request.query_params)
            )
        except GatewayError as error:
            response: Response = plain_page(str(error), "/signin", "Sign in", status=400)
        else:
            await self._browsers.sign_out(request.cookies.get(SESSION_COOKIE, ""))
            response = _redirect("/")
            # Strict: only our own page ever needs it, for its websocket.
            response.set_cookie(
                SESSION_COOKIE,
                session_id,
                httponly=True,
                samesite="strict",
                secure=self._secure,
            )
        response.delete_cookie(SIGN_IN_COOKIE, path=CALLBACK_PATH, httponly=True)
        return response

    async def leave(self, request: Request) -> Response:
        """End this browser's session. A link on another site cannot do it: the cookie is strict."""
        await self._browsers.sign_out(request.cookies.get(SESSION_COOKIE, ""))
        response = _redirect("/")
        response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")
        return response


def _redirect(url: str) -> Response:
    return RedirectResponse(url, status_code=303, headers={"Cache-Control": "no-store"})


async def _main(settings: Settings, browsers: Browsers, page: ft.Page) -> None:
    """Show the app on a Flet page; its websocket's cookie identifies the browser."""
    tokens = browsers.tokens(current_session_id.get())
    await show(page, settings.api_url, tokens or _SignedOut(), WebDoor(page, tokens))


def build(settings: Settings, public_url: str, login: ManagedLogin | None = None) -> ASGIApp:
    """The whole server as an ASGI app, reached at `public_url` (an origin, no path)."""
    login = login or ManagedLogin(settings.login_url, settings.client_id)
    browsers = Browsers(login, f"{public_url}{CALLBACK_PATH}")
    # The page's files come bundled with Flet: nothing is fetched from elsewhere.
    flet_app: Any = flet_web.fastapi.app(
        partial(_main, settings, browsers),
        no_cdn=True,
        assets_dir=str(_ASSETS),
        app_name="Aistratus",
        app_short_name="Aistratus",
        app_description="Your own language model, on your own account.",
        session_timeout_seconds=PAGE_SECONDS,
    )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await flet_web.fastapi.app_manager.start()
        yield
        await flet_web.fastapi.app_manager.shutdown()
        await login.close()

    routes = SignInRoutes(browsers, secure=public_url.startswith("https:")).routes()
    server = Starlette(routes=[*routes, Mount("/", flet_app)], lifespan=lifespan)
    return Doorkeeper(server, public_url)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="aistratus-web", description="Serve the Aistratus chat to the browser of this machine."
    )
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    options = parser.parse_args(arguments)
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        listener = socket.create_server(("127.0.0.1", options.port))
    except OSError as error:
        sys.stderr.write(
            f"The chat cannot have port {options.port} ({os.strerror(error.errno or 0)}). Stop "
            "what listens there, and run the same command again.\n"
        )
        return 1
    address = f"http://localhost:{options.port}"
    # No access log: the callback's URL contains the code.
    server = uvicorn.Server(
        uvicorn.Config(
            build(settings, address),
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=2,
            ws="websockets-sansio",
        )
    )
    with warnings.catch_warnings(), listener, suppress(KeyboardInterrupt):
        # Ctrl-C between the making of the coroutine and its first step is an end like any other.
        warnings.filterwarnings("ignore", "coroutine 'Server.serve' was never awaited")
        sys.stdout.write(f"The chat is at {address}; Ctrl-C ends it.\n")
        sys.stdout.flush()
        server.run([listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
