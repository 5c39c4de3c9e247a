"""Signs in from a native window or a terminal: the system's browser and a loopback listener.

RFC 8252: the person signs in with their own browser, never in a view of ours, and the code comes
back to a port of this machine. Cognito requires every redirect address to be registered, so there
are a few fixed ports (it does not support section 7.3's free choice).
"""

import asyncio
import contextlib
import importlib
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from aistratus_desktop.signin import ManagedLogin, SignInFailed, TokenSet

CALLBACK_PORTS: Final = (8571, 8572, 8573, 8574, 8575)
CALLBACK_PATH: Final = "/callback"
SIGN_IN_SECONDS: Final = 300.0
KEYRING_SERVICE: Final = "Aistratus"
# The limit for a request line and headers; a browser that comes back stays below it.
MAX_REQUEST_BYTES: Final = 16 * 1024
REQUEST_SECONDS: Final = 5.0

_DONE: Final = "You are signed in. You can close this page and go back to Aistratus."
_ELSEWHERE: Final = "There is nothing here."


async def sign_in_with_browser(
    login: ManagedLogin,
    *,
    announce: Callable[[str], None],
    open_browser: Callable[[str], object] = webbrowser.open,
    ports: Sequence[int] = CALLBACK_PORTS,
    timeout_seconds: float = SIGN_IN_SECONDS,
) -> TokenSet:
    """Send the person to the login and wait for the browser to come back.

    `announce` also gets the address, in case no browser opens. Raises `SignInFailed`.
    """
    returned: asyncio.Future[Mapping[str, str]] = asyncio.get_running_loop().create_future()
    server, port = await _listen(returned, ports)
    async with server:
        pending = login.begin(f"http://localhost:{port}{CALLBACK_PATH}")
        announce(pending.url)
        await asyncio.to_thread(open_browser, pending.url)
        try:
            query = await asyncio.wait_for(returned, timeout_seconds)
        except TimeoutError:
            raise SignInFailed("Nobody signed in in time. Sign in once more.") from None
    return await login.finish(pending, query)


async def _listen(
    returned: asyncio.Future[Mapping[str, str]], ports: Sequence[int]
) -> tuple[asyncio.Server, int]:
    """A server on the first free port of `ports`, on all of localhost's addresses."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.LimitOverrunError):
            await _answer(reader, writer, returned)
        writer.close()

    for port in ports:
        with contextlib.suppress(OSError):
            return (
                await asyncio.start_server(serve, "localhost", port, limit=MAX_REQUEST_BYTES),
                port,
            )
    raise SignInFailed(
        f"The ports {ports[0]} to {ports[-1]} are all taken. Close what uses one; sign in again."
    )


async def _answer(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    returned: asyncio.Future[Mapping[str, str]],
) -> None:
    """Answer one request: pass on the query of a GET of the callback, send 404 to all else."""
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), REQUEST_SECONDS)
    except asyncio.IncompleteReadError:
        return
    method, _, rest = head.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")
    target = urlsplit(rest.partition(" ")[0])
    is_ours = method == "GET" and target.path == CALLBACK_PATH
    text = _DONE if is_ours else _ELSEWHERE
    writer.write(
        f"HTTP/1.1 {'200 OK' if is_ours else '404 Not Found'}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(text.encode())}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
        f"{text}".encode()
    )
    await writer.drain()
    if is_ours and not returned.done():
        returned.set_result(dict(parse_qsl(target.query)))


class KeyringStore:
    """Stores the refresh token in the operating system's keyring, or in memory if there is none.

    `backend` is a module with keyring's `get_password`, `set_password` and `delete_password`.
    """

    def __init__(self, login_url: str, backend: Any = None) -> None:
        self._name = login_url
        self._backend = backend or _keyring()
        self._memory: str | None = None

    def load(self) -> str | None:
        """The stored refresh token, if there is one."""
        kept = self._call("get_password")
        return kept if isinstance(kept, str) else self._memory

    def save(self, refresh_token: str) -> None:
        """Store the refresh token."""
        self._memory = refresh_token
        self._call("set_password", refresh_token)

    def clear(self) -> None:
        """Delete the refresh token."""
        self._memory = None
        self._call("delete_password")

    def _call(self, method: str, *arguments: str) -> object:
        if self._backend is None:
            return None
        # A keyring that is locked, absent or broken (each backend has its own errors) only costs
        # a sign-in at the next start.
        with contextlib.suppress(Exception):
            return getattr(self._backend, method)(KEYRING_SERVICE, self._name, *arguments)
        return None


def _keyring() -> Any:
    """The keyring library, which only native installations have."""
    try:
        return importlib.import_module("keyring")
    except ImportError:
        return None
