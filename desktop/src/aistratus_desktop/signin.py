"""Signs in through Cognito's managed login: authorization code with PKCE.

RFC 6749 (the code flow), RFC 7636 (PKCE, S256), RFC 8252 (apps on a person's own device) and
RFC 7009 (revocation). This module knows the login's addresses and answers; the caller opens the
browser and receives the code.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import httpx

from aistratus_contracts.registry import Scope
from aistratus_desktop.gateway import GatewayError, SignInNeeded, Unreachable

SCOPES: Final = ("openid", Scope.INFER.value, Scope.OPERATE.value)
# RFC 7636 requires 43 to 128 characters; 48 bytes give 64.
VERIFIER_BYTES: Final = 48
STATE_BYTES: Final = 32
TIMEOUT_SECONDS: Final = 15
MAX_REPLY_BYTES: Final = 64 * 1024


class SignInFailed(GatewayError):
    """A sign-in was begun and failed."""


@dataclass(frozen=True, slots=True)
class PendingSignIn:
    """A sign-in in progress: the browser goes to `url` and comes back with `state`."""

    url: str
    redirect_uri: str
    state: str = field(repr=False)
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenSet:
    """The tokens of a sign-in; the access token expires at `expires_at`, in epoch seconds."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: float


class ManagedLogin:
    """The login of one deployment, for one registered app."""

    def __init__(
        self,
        login_url: str,
        client_id: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._login_url = login_url.rstrip("/")
        self._client_id = client_id
        self._clock = clock
        self._http = httpx.AsyncClient(
            transport=transport, timeout=TIMEOUT_SECONDS, follow_redirects=False
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def begin(self, redirect_uri: str) -> PendingSignIn:
        """Begin a sign-in that returns to `redirect_uri`, which must be registered."""
        state = secrets.token_urlsafe(STATE_BYTES)
        verifier = secrets.token_urlsafe(VERIFIER_BYTES)
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(SCOPES),
            "state": state,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
        }
        url = f"{self._login_url}/oauth2/authorize?{urlencode(query)}"
        return PendingSignIn(url, redirect_uri, state, verifier)

    async def finish(self, pending: PendingSignIn, returned: Mapping[str, str]) -> TokenSet:
        """Exchange what the browser brought back (the query of the redirect) for tokens.

        Raises `SignInFailed` if the state differs from the one that was sent, if the person or the
        login refused, or if the code is not valid; `Unreachable` if the login is down.
        """
        if not hmac.compare_digest(returned.get("state", "").encode(), pending.state.encode()):
            raise SignInFailed("This sign-in was not begun here, or is too old. Sign in once more.")
        if "error" in returned:
            raise SignInFailed("The sign-in was not completed. Sign in once more.")
        if not returned.get("code"):
            raise SignInFailed("The login sent no code. Sign in once more.")
        reply = await self._post(
            "token",
            {
                "grant_type": "authorization_code",
                "code": returned["code"],
                "redirect_uri": pending.redirect_uri,
                "code_verifier": pending.verifier,
            },
        )
        if reply is None:
            raise SignInFailed("The login refused its own code. Sign in once more.")
        return self._token_set(reply, "")

    async def renew(self, tokens: TokenSet) -> TokenSet:
        """Get fresh tokens; raises `SignInNeeded` if the refresh token is no longer valid."""
        reply = await self._post(
            "token", {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token}
        )
        if reply is None:
            raise SignInNeeded("Your sign-in has ended. Sign in again.")
        # Without rotation the login sends no new refresh token: the old one stays valid.
        return self._token_set(reply, tokens.refresh_token)

    async def revoke(self, tokens: TokenSet) -> None:
        """Invalidate the refresh token and the access tokens made from it."""
        await self._post("revoke", {"token": tokens.refresh_token})

    async def _post(self, endpoint: str, form: dict[str, str]) -> dict[str, Any] | None:
        """The reply's JSON, or None if the login refused the grant (a 4xx)."""
        url = f"{self._login_url}/oauth2/{endpoint}"
        try:
            async with self._http.stream(
                "POST", url, data={"client_id": self._client_id, **form}
            ) as response:
                text = bytearray()
                async for piece in response.aiter_bytes():
                    text += piece
                    if len(text) > MAX_REPLY_BYTES:
                        raise _login_down()
                status = response.status_code
        except httpx.HTTPError as error:
            raise _login_down() from error
        if status == 429 or status // 100 not in (2, 4):
            raise _login_down()
        if status // 100 == 4:
            return None
        try:
            document = json.loads(text) if text else {}
        except ValueError as error:
            raise _login_down() from error
        return document if isinstance(document, dict) else {}

    def _token_set(self, reply: Mapping[str, Any], refresh_token: str) -> TokenSet:
        access = reply.get("access_token")
        refresh = reply.get("refresh_token", refresh_token)
        seconds = reply.get("expires_in")
        if not isinstance(access, str) or not access or not isinstance(refresh, str):
            raise SignInFailed("The login sent no token. Sign in once more.")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise SignInFailed("The login did not say how long its token is good. Sign in again.")
        return TokenSet(access, refresh, self._clock() + seconds)


def challenge_of(verifier: str) -> str:
    """The S256 challenge of RFC 7636, section 4.2: SHA-256, base64url without padding."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def _login_down() -> Unreachable:
    return Unreachable("The login cannot be reached. Check your connection; then try again.")
