"""The tokens of one signed-in person: kept, renewed in time, and forgotten on request."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final, Protocol

from aistratus_desktop.gateway import GatewayError, SignInNeeded
from aistratus_desktop.signin import ManagedLogin, TokenSet

# Renewed this long before its end, a token does not run out on the way to the API.
RENEW_BEFORE_SECONDS: Final = 60


class RefreshTokenStore(Protocol):
    """Where a refresh token survives the program."""

    def load(self) -> str | None:
        """The kept refresh token, if there is one."""
        ...

    def save(self, refresh_token: str) -> None:
        """Keep it."""
        ...

    def clear(self) -> None:
        """Forget it."""
        ...


class MemoryStore:
    """Keeps the refresh token for as long as the program runs."""

    def __init__(self) -> None:
        self._refresh_token: str | None = None

    def load(self) -> str | None:
        """The kept refresh token, if there is one."""
        return self._refresh_token

    def save(self, refresh_token: str) -> None:
        """Keep it until the program ends."""
        self._refresh_token = refresh_token

    def clear(self) -> None:
        """Forget it."""
        self._refresh_token = None


class Tokens:
    """A `TokenSource` over a managed login.

    Signed out until `sign_in`, or until the store has a refresh token. Renewals are
    single-flight: however many requests need one at once, one is made.
    """

    def __init__(
        self,
        login: ManagedLogin,
        store: RefreshTokenStore | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._login = login
        self._store = store or MemoryStore()
        self._clock = clock
        self._renewal = asyncio.Lock()
        kept = self._store.load()
        # A kept refresh token with an access token that has run out: the first use renews.
        self._tokens = TokenSet("", kept, 0.0) if kept else None

    @property
    def signed_in(self) -> bool:
        """Whether there is anything to make an access token from."""
        return self._tokens is not None

    def sign_in(self, tokens: TokenSet) -> None:
        """From here on, these."""
        self._tokens = tokens
        self._store.save(tokens.refresh_token)

    async def sign_out(self) -> None:
        """Forget the tokens at once, and ask the login to revoke them (it may be down)."""
        tokens = self._tokens
        self._forget()
        if tokens:
            with contextlib.suppress(GatewayError):
                await self._login.revoke(tokens)

    async def access_token(self) -> str:
        """A token that is good for a minute more; raises `SignInNeeded` or `Unreachable`."""
        tokens = self._tokens
        if tokens is None:
            raise SignInNeeded
        if tokens.expires_at - self._clock() < RENEW_BEFORE_SECONDS:
            await self._renew(tokens)
        return self._current().access_token

    async def refresh(self) -> None:
        """Renew now; raises `SignInNeeded` when the sign-in has ended."""
        await self._renew(self._current())

    async def _renew(self, stale: TokenSet) -> None:
        async with self._renewal:
            if self._current() is not stale:
                return  # somebody else has renewed while this one waited
            try:
                fresh = await self._login.renew(stale)
            except SignInNeeded:
                if self._tokens is stale:
                    self._forget()
                raise
            if self._tokens is not stale:
                raise SignInNeeded  # signed out while the renewal was on its way
            self.sign_in(fresh)

    def _current(self) -> TokenSet:
        if self._tokens is None:
            raise SignInNeeded
        return self._tokens

    def _forget(self) -> None:
        self._tokens = None
        self._store.clear()
