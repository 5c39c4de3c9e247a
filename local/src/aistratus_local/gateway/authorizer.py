"""The JWT authorizer: checks of a token exactly what API Gateway checks.

These are the signature (RS256 only, by a key of the issuer), `iss`, `aud` or `client_id`, `exp`,
`nbf`, `iat`, and one of the route's scopes. It cannot tell an ID token from an access token; the
function behind it does. No part of a token is ever logged or repeated in an error.

Times are compared with this machine's clock without leeway: API Gateway documents none, and here
issuer and gateway share one clock. On separate machines, a gateway with a slow clock would refuse
fresh tokens (`iat`), and one with a fast clock would refuse old tokens early.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import jwt

from aistratus_local.gateway.tokens import (
    NotAToken,
    SignedToken,
    read_claims,
    read_token,
    scopes_of,
    texts_of,
    time_of,
)

log = logging.getLogger("gateway")

ALGORITHM: Final = "RS256"
# How far a token's times may be off, on either side; the docstring says why it is zero.
LEEWAY_SECONDS: Final = 0.0
# The age at which keys are fetched again, and the least pause before a fetch for an unknown `kid`.
KEYS_MAX_AGE_SECONDS: Final = 3600.0
UNKNOWN_KEY_PAUSE_SECONDS: Final = 10.0
FETCH_TIMEOUT_SECONDS: Final = 5.0
MAX_DOCUMENT_BYTES: Final = 256 * 1024


class Unauthorized(Exception):
    """No token, or an invalid one: 401. `reason` goes into `www-authenticate`."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class Forbidden(Exception):
    """A valid token without any of the route's scopes: 403."""


class KeySource:
    """The issuer's public keys, found through its discovery document.

    The last good keys stay in use while the issuer does not answer.
    """

    def __init__(
        self,
        issuer: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._monotonic = monotonic
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._lock = asyncio.Lock()
        # Redirects are not followed: a key set elsewhere would not be this issuer's.
        self._http = httpx.AsyncClient(
            timeout=FETCH_TIMEOUT_SECONDS, follow_redirects=False, transport=transport
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def key(self, kid: str) -> jwt.PyJWK:
        """The key with that id; raises `Unauthorized` if the issuer has none."""
        if kid not in self._keys or self._age() > KEYS_MAX_AGE_SECONDS:
            async with self._lock:
                is_missing = kid not in self._keys
                is_due = is_missing or self._age() > KEYS_MAX_AGE_SECONDS
                if is_due and self._monotonic() - self._tried_at >= UNKNOWN_KEY_PAUSE_SECONDS:
                    await self._refresh()
        try:
            return self._keys[kid]
        except KeyError:
            raise Unauthorized("signing key not found") from None

    def _age(self) -> float:
        return self._monotonic() - self._fetched_at

    async def _refresh(self) -> None:
        self._tried_at = self._monotonic()
        try:
            configuration = await self._document(f"{self._issuer}/.well-known/openid-configuration")
            address = _keys_address(configuration, self._issuer)
            offered = (await self._document(address))["keys"]
            found = jwt.PyJWKSet([jwk for jwk in offered if _is_for_tokens(jwk)])
        except (httpx.HTTPError, ValueError, TypeError, LookupError, jwt.PyJWTError) as error:
            log.warning("the issuer's keys were not to be had (%s)", type(error).__name__)
            return
        self._keys = {key.key_id: key for key in found.keys if key.key_id}
        self._fetched_at = self._monotonic()

    async def _document(self, url: str) -> dict[str, Any]:
        answer = await self._http.get(url)
        answer.raise_for_status()
        if answer.status_code != 200 or len(answer.content) > MAX_DOCUMENT_BYTES:
            raise ValueError("no document")
        return dict(answer.json())


class Authorizer:
    """The authorizer of one route: its issuer, its audience, its scopes (any of them)."""

    def __init__(
        self,
        keys: KeySource,
        issuer: str,
        audience: Sequence[str],
        scopes: Sequence[str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = frozenset(audience)
        self._scopes = tuple(scopes)
        self._clock = clock

    async def authorize(self, header: str | None) -> dict[str, Any]:
        """The `requestContext.authorizer` for an Authorization header's value.

        Raises `Unauthorized` or `Forbidden`.
        """
        try:
            claims = read_claims((await self.verified(_token_of(header))).payload)
            self._check(claims)
            granted = scopes_of(claims)
        except NotAToken:
            raise Unauthorized("the token is not valid") from None
        if self._scopes and not granted.intersection(self._scopes):
            raise Forbidden
        return {
            "jwt": {
                "claims": {name: _as_text(value) for name, value in claims.items()},
                "scopes": [scope for scope in self._scopes if scope in granted] or None,
            }
        }

    async def verified(self, text: str) -> SignedToken:
        """The token, its signature verified; raises `Unauthorized` or `NotAToken`."""
        token = read_token(text)
        if token.algorithm != ALGORITHM:
            raise NotAToken
        key = await self._keys.key(token.kid)
        if not key.Algorithm.verify(token.signed, key.key, token.signature):
            raise Unauthorized("invalid signature")
        return token

    def _check(self, claims: Mapping[str, Any]) -> None:
        """Check issuer, times and audience."""
        if claims.get("iss") != self._issuer:
            raise Unauthorized("invalid issuer")
        now = self._clock()
        expires, begins, issued = (time_of(claims, name) for name in ("exp", "nbf", "iat"))
        if expires is None:
            raise NotAToken
        if expires <= now - LEEWAY_SECONDS:
            raise Unauthorized("the token has expired")
        if any(at is not None and at > now + LEEWAY_SECONDS for at in (begins, issued)):
            raise Unauthorized("the token is not valid yet")
        if not self._audience.intersection(
            texts_of(claims, "aud" if "aud" in claims else "client_id")
        ):
            raise Unauthorized("invalid audience")


def _token_of(header: str | None) -> str:
    """The token, with or without `Bearer` before it: API Gateway accepts both."""
    words = (header or "").split()
    if len(words) == 2 and words[0].lower() == "bearer":
        return words[1]
    if len(words) == 1 and words[0].lower() != "bearer":
        return words[0]
    raise Unauthorized


def _as_text(value: object) -> str:
    """A claim's value as payload format 2.0 shows it: always text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{' '.join(_as_text(item) for item in value)}]"
    return str(value)


def _is_for_tokens(jwk: Any) -> bool:
    """Whether a key is meant for verifying tokens (RFC 7517)."""
    return (
        isinstance(jwk, dict)
        and jwk.get("kty") == "RSA"
        and jwk.get("alg", ALGORITHM) == ALGORITHM
        and jwk.get("use", "sig") == "sig"
        and "verify" in jwk.get("key_ops", ["verify"])
    )


def _keys_address(configuration: dict[str, Any], issuer: str) -> str:
    """The address of the key set; raises ValueError if it is not on the issuer's host."""
    address = str(configuration["jwks_uri"])
    there, here = urlsplit(address), urlsplit(issuer)
    if configuration.get("issuer") != issuer or there[:2] != here[:2]:
        raise ValueError("the discovery document is not this issuer's")
    return address
