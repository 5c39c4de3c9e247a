"""The tokens of one signed-in person: stored, renewed in time, and deleted on request."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final, Protocol

from aistratus_desktop.gateway import GatewayError, SignInNeeded
from aistratus_desktop.signin import ManagedLogin, TokenSet

# Tokens are renewed this long before they expire, so that none expires on its way to the API.
RENEW_BEFORE_SECONDS: Final = 60


class RefreshTokenStore(Protocol):
    """Stores a refresh token, possibly beyond the end of the program."""

    def load(self) -> str | None:
        """The stored refresh token, if there is one."""
        ...

    def save(self, refresh_token: str) -> None:
        """Store the refresh token."""
        ...

    def clear(self) -> None:
        """Delete the refresh token."""
        ...


class MemoryStore:
    """Keeps the refresh token for as long as the program runs."""

    def __init__(self) -> None:
        self._refresh_token: str | None = None

    def load(self) -> str | None:
        """The stored refresh token, if there is one."""
        return self._refresh_token

    def save(self, refresh_token: str) -> None:
        """Store the refresh token until the program ends."""
        self._refresh_token = refresh_token

    def clear(self) -> None:
        """Delete the refresh token."""
        self._refresh_token = None


class Tokens:
    """A `TokenSource` that uses a managed login.

    Signed out until `sign_in`, unless the store has a refresh token. Renewals are single-flight:
    concurrent requests share one.
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
        # A stored refresh token gets an expired access token: the first use renews it.
        self._tokens = TokenSet("", kept, 0.0) if kept else None

    @property
    def signed_in(self) -> bool:
        """Whether there is anything to make an access token from."""
        return self._tokens is not None

    def sign_in(self, tokens: TokenSet) -> None:
        """Use and store these tokens from now on."""
        self._tokens = tokens
        self._store.save(tokens.refresh_token)

    async def sign_out(self) -> None:
        """Delete the tokens, then ask the login to revoke them (it may be down)."""
        tokens = self._tokens
        self._forget()
        if tokens:
            with contextlib.suppress(GatewayError):
                await self._login.revoke(tokens)

    async def access_token(self) -> str:
        """A token valid for at least a minute; raises `SignInNeeded` or `Unreachable`."""
        tokens = self._tokens
        if tokens is None:
            raise SignInNeeded
        if tokens.expires_at - self._clock() < RENEW_BEFORE_SECONDS:
            await self._renew(tokens)
        return self._current().access_token

    async def refresh(self) -> None:
        """Renew now; raises `SignInNeeded` if the sign-in has ended."""
        await self._renew(self._current())

    async def _renew(self, stale: TokenSet) -> None:
        async with self._renewal:
            if self._current() is not stale:
                return  # another request renewed it while this one waited
            try:
                fresh = await self._login.renew(stale)
            except SignInNeeded:
                if self._tokens is stale:
                    self._forget()
                raise
            if self._tokens is not stale:
                raise SignInNeeded  # signed out during the renewal
            self.sign_in(fresh)

    def _current(self) -> TokenSet:
        if self._tokens is None:
            raise SignInNeeded
        return self._tokens

    def _forget(self) -> None:
        self._tokens = None
        self._store.clear()
