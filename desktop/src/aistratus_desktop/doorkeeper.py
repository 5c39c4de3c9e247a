"""Decides which requests the chat's server accepts, and identifies the browser.

Every page in a person's browser can reach a server on their machine. So each request is checked
before anything else: its host, a websocket's origin, its cookie.
"""

import hashlib
import html
from contextvars import ContextVar
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SESSION_COOKIE: Final = "aistratus_session"
_LOOPBACK_NAMES: Final = ("127.0.0.1", "[::1]")

# The page is Flet's: its scripts are inline and its engine is WebAssembly. The policy blocks
# anything that the page, or an answer that it shows, would load from elsewhere.
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval' blob:; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "connect-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; "
        "base-uri 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}

# The session of a websocket's browser: set by the doorkeeper, read when its page is made.
current_session_id: ContextVar[str] = ContextVar("session_id", default="")


class Doorkeeper:
    """Lets in only requests that are meant for this address.

    Requests for http://127.0.0.1 are redirected to http://localhost, the only name to which a
    login may redirect over plain http. Any other name is refused, so that no stranger's domain
    can be pointed here (DNS rebinding). Requests from another site's page are refused too, also
    its websockets (which have no same-origin rule). Other sites may only lead a person here: to
    the app, and back from the login.
    """

    def __init__(self, app: ASGIApp, public_url: str) -> None:
        self._app = app
        self._public_url = public_url
        self._host = urlsplit(public_url).netloc

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry point."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if scope["type"] == "websocket":
            if host != self._host or headers.get("origin") != self._public_url:
                await _refuse_websocket(receive, send)
                return
            session_id = cookie_parser(headers.get("cookie", "")).get(SESSION_COOKIE, "")
            current_session_id.set(session_id)
            await self._app(_bound_to(session_id, scope), receive, send)
            return
        if host != self._host:
            await self._elsewhere(host, scope)(scope, receive, send)
            return
        if self._is_of_another_site(scope, headers):
            refusal = plain_page(
                "This came from a page of another site.", self._public_url, "Aistratus", status=403
            )
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, _with_headers(send))

    def _is_of_another_site(self, scope: Scope, headers: Headers) -> bool:
        """Whether another site's page sent this, other than by a link that a person followed."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if site is None:  # no browser, or an older one
            return origin is not None and origin != self._public_url
        if site in {"same-origin", "none"}:
            return False
        return not (
            scope["method"] in {"GET", "HEAD"}
            and headers.get("sec-fetch-mode") == "navigate"
            and headers.get("sec-fetch-dest") == "document"
            and scope["path"] != "/signout"
        )

    def _elsewhere(self, host: str, scope: Scope) -> Response:
        port = urlsplit(self._public_url).port
        if scope["method"] in {"GET", "HEAD"} and host in {
            f"{name}:{port}" for name in _LOOPBACK_NAMES
        }:
            query = scope["query_string"].decode("latin-1")
            path = scope["path"] + (f"?{query}" if query else "")
            return RedirectResponse(self._public_url + path, status_code=307)
        return plain_page(f"This Aistratus is at {self._public_url}.", self._public_url, status=421)


def _bound_to(session_id: str, scope: Scope) -> Scope:
    """The websocket's scope, changed so that Flet resumes only pages of the same session.

    A tab that reconnects names the page that it showed before, and Flet finds it by that name, the
    address and the user agent. With the session in the user agent, a page never outlives its
    sign-in or sign-out, and no other browser can resume it by its name.
    """
    mark = hashlib.sha256(session_id.encode()).hexdigest()
    headers = [
        (name, value + b" " + mark.encode() if name == b"user-agent" else value)
        for name, value in scope["headers"]
    ]
    if not any(name == b"user-agent" for name, _ in headers):
        headers.append((b"user-agent", mark.encode()))
    return {**scope, "headers": headers}


def _with_headers(send: Send) -> Send:
    """A `send` that adds the security headers to every answer."""

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return with_headers


async def _refuse_websocket(receive: Receive, send: Send) -> None:
    await receive()  # the connect message
    await send({"type": "websocket.close", "code": 1008})


def plain_page(sentence: str, url: str, link: str = "Go there", *, status: int) -> Response:
    """A small page of our own, shown when the app itself cannot be."""
    return HTMLResponse(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Aistratus</title>"
        "<meta name=viewport content='width=device-width'>"
        "<body style='font: 17px/1.5 system-ui; max-width: 32em; margin: 20vh auto; padding: 1em'>"
        f"<h1>Aistratus</h1><p>{html.escape(sentence)}</p>"
        f"<p><a href='{html.escape(url)}'>{html.escape(link)}</a></p>",
        status_code=status,
        headers={
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
        },
    )
