"""Keys and tokens: RS256, with the claims that Cognito puts into them."""

import json
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from aistratus_local.login.pool import Person

ACCESS_TOKEN_SECONDS: Final = 3600
KEY_BITS: Final = 2048


@dataclass(frozen=True, slots=True)
class Grant:
    """The result of a sign-in, from which all its tokens are made.

    Each of them has the same `origin_jti`, which names the refresh token.
    """

    person: Person
    client_id: str
    scope: str
    auth_time: int
    nonce: str | None = None
    origin_jti: str = field(default_factory=lambda: str(uuid.uuid4()))
    event_id: str = field(default_factory=lambda: str(uuid.uuid4()))


class TokenMaker:
    """Signs tokens with a key that exists as long as the process."""

    def __init__(self, issuer: str, clock: Callable[[], float] = time.time) -> None:
        self.issuer = issuer
        self._clock = clock
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        self._kid = secrets.token_urlsafe(24)

    def jwks(self) -> dict[str, Any]:
        """The public key as an RFC 7517 key set."""
        public = json.loads(RSAAlgorithm.to_jwk(self._key.public_key()))
        public.pop("key_ops", None)
        return {"keys": [{**public, "kid": self._kid, "alg": "RS256", "use": "sig"}]}

    def access_token(self, grant: Grant) -> str:
        """An access token: it has `client_id` and no `aud`."""
        return self._sign(
            {
                **self._common(grant, "access"),
                "client_id": grant.client_id,
                "username": grant.person.username,
                "scope": grant.scope,
                "version": 2,
            }
        )

    def id_token(self, grant: Grant) -> str:
        """An ID token: it has `aud` and identifies the person."""
        claims = {
            **self._common(grant, "id"),
            "aud": grant.client_id,
            "cognito:username": grant.person.username,
            "email": grant.person.email,
            "email_verified": True,
        }
        if grant.nonce:
            claims["nonce"] = grant.nonce
        return self._sign(claims)

    def _common(self, grant: Grant, use: str) -> dict[str, Any]:
        now = int(self._clock())
        return {
            "sub": grant.person.sub,
            "iss": self.issuer,
            "token_use": use,
            "auth_time": grant.auth_time,
            "iat": now,
            "exp": now + ACCESS_TOKEN_SECONDS,
            "jti": str(uuid.uuid4()),
            "origin_jti": grant.origin_jti,
            "event_id": grant.event_id,
        }

    def _sign(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self._kid})
