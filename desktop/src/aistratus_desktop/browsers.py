"""Tracks browsers: sign-ins in progress, and tokens by session cookie.

All of it is in this server's memory. A browser has only two random strings in HttpOnly cookies: no
code or token is ever in a page, its address or its storage.
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from aistratus_desktop.signin import ManagedLogin, PendingSignIn, SignInFailed
from aistratus_desktop.tokens import Tokens

SESSION_ID_BYTES: Final = 32
SIGN_IN_SECONDS: Final = 600
# The lifetime of Cognito's refresh tokens, which ends the session in any case.
SESSION_SECONDS: Final = 30 * 24 * 3600
MAX_PENDING: Final = 1000
MAX_SESSIONS: Final = 1000

T = TypeVar("T")


class Browsers:
    """The browsers of one server. Bounded: the oldest entry is dropped first."""

    def __init__(
        self, login: ManagedLogin, redirect_uri: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._login = login
        self._redirect_uri = redirect_uri
        self._clock = clock
        self._pending: OrderedDict[str, tuple[PendingSignIn, float]] = OrderedDict()
        self._sessions: OrderedDict[str, tuple[Tokens, float]] = OrderedDict()

    def begin_sign_in(self) -> tuple[str, str]:
        """Begin a browser's sign-in: the id for its cookie, and the URL to send it to."""
        pending = self._login.begin(self._redirect_uri)
        sign_in_id = secrets.token_urlsafe(SESSION_ID_BYTES)
        _put(self._pending, sign_in_id, (pending, self._clock() + SIGN_IN_SECONDS), MAX_PENDING)
        return sign_in_id, pending.url

    async def finish_sign_in(self, sign_in_id: str, returned: Mapping[str, str]) -> str:
        """Exchange the returned code; returns the new session's id for the cookie.

        The cookie ensures that this browser began the sign-in, which can be used only once, even
        if it fails. Raises `SignInFailed` or `Unreachable`.
        """
        entry = self._pending.pop(sign_in_id, None)
        if entry is None or entry[1] < self._clock():
            raise SignInFailed("This sign-in was not begun here, or is too old. Sign in once more.")
        tokens = Tokens(self._login, clock=self._clock)
        tokens.sign_in(await self._login.finish(entry[0], returned))
        session_id = secrets.token_urlsafe(SESSION_ID_BYTES)
        _put(self._sessions, session_id, (tokens, self._clock() + SESSION_SECONDS), MAX_SESSIONS)
        return session_id

    def tokens(self, session_id: str) -> Tokens | None:
        """The tokens of the session with that id, if it is signed in."""
        entry = self._sessions.get(session_id)
        if entry is None or entry[1] < self._clock() or not entry[0].signed_in:
            self._sessions.pop(session_id, None)
            return None
        return entry[0]

    async def sign_out(self, session_id: str) -> None:
        """Delete the browser's session and revoke its tokens; harmless if there is none."""
        entry = self._sessions.pop(session_id, None)
        if entry:
            await entry[0].sign_out()


def _put(entries: OrderedDict[str, T], key: str, value: T, limit: int) -> None:
    entries[key] = value
    while len(entries) > limit:
        entries.popitem(last=False)
