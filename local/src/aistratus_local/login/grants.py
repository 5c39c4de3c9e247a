"""The OAuth 2 part, done by Authlib: codes with PKCE, refresh tokens, revocation."""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2 import OAuth2Request
from authlib.oauth2.rfc6749 import InvalidRequestError, grants
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from flask import Flask

from aistratus_local.login.pool import App, UserPool
from aistratus_local.login.tokens import ACCESS_TOKEN_SECONDS, Grant, TokenMaker

CODE_SECONDS: Final = 300
REFRESH_TOKEN_SECONDS: Final = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code: good once, within five minutes, with its PKCE verifier."""

    client_id: str
    redirect_uri: str
    grant: Grant
    expires_at: float
    code_challenge: str
    code_challenge_method: str = "S256"

    def get_redirect_uri(self) -> str:
        """The address that the code was sent to."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """The scope that the code grants."""
        return self.grant.scope


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token: new tokens are made from its grant."""

    grant: Grant
    expires_at: float

    def check_client(self, client: App) -> bool:
        """Whether it was issued to that app."""
        return self.grant.client_id == client.client_id

    def get_scope(self) -> str:
        """The widest scope that new tokens can have."""
        return self.grant.scope


class Store:
    """Codes and refresh tokens, in memory: like the pool, they are gone with the process."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._codes: dict[str, Code] = {}
        self._refresh_tokens: dict[str, RefreshToken] = {}

    def put_code(
        self, code: str, client_id: str, redirect_uri: str, grant: Grant, pkce: str
    ) -> None:
        """Store a code until it expires."""
        with self._lock:
            now = self._clock()
            self._codes = {k: c for k, c in self._codes.items() if c.expires_at > now}
            self._codes[code] = Code(client_id, redirect_uri, grant, now + CODE_SECONDS, pkce)

    def take_code(self, code: str, client_id: str) -> Code | None:
        """Take the code out, so that it cannot be used again, even if this use fails."""
        with self._lock:
            found = self._codes.pop(code, None)
        if found is None or found.client_id != client_id or found.expires_at <= self._clock():
            return None
        return found

    def put_refresh_token(self, grant: Grant) -> str:
        """Make and keep a new refresh token."""
        token = secrets.token_urlsafe(48)
        with self._lock:
            expires_at = self._clock() + REFRESH_TOKEN_SECONDS
            self._refresh_tokens[token] = RefreshToken(grant, expires_at)
        return token

    def refresh_token(self, token: str) -> RefreshToken | None:
        """The refresh token's data; None if it is unknown, revoked or expired."""
        with self._lock:
            found = self._refresh_tokens.get(token)
        return found if found and found.expires_at > self._clock() else None

    def revoke(self, token: str) -> None:
        """Forget a refresh token."""
        with self._lock:
            self._refresh_tokens.pop(token, None)


class _S256Only(CodeChallenge):  # type: ignore[misc]
    """Requires PKCE with S256; the plain method is refused."""

    SUPPORTED_CODE_CHALLENGE_METHOD: Final = ["S256"]  # Authlib's own shape

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        if grant.request.payload.data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("code_challenge_method must be S256")
        super().validate_code_challenge(grant, redirect_uri)


def authorization_server(app: Flask, pool: UserPool, tokens: TokenMaker, store: Store) -> Any:
    """Authlib's server for this pool, behaving as Cognito does."""

    class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
        TOKEN_ENDPOINT_AUTH_METHODS: Final = ["none"]

        def save_authorization_code(self, code: str, request: OAuth2Request) -> None:
            asked = request.payload.data
            grant = replace(request.user, scope=request.scope, nonce=asked.get("nonce"))
            store.put_code(
                code,
                request.client.client_id,
                request.payload.redirect_uri,
                grant,
                asked["code_challenge"],
            )

        def query_authorization_code(self, code: str, client: App) -> Code | None:
            return store.take_code(code, client.client_id)

        def delete_authorization_code(self, authorization_code: Code) -> None:
            """Nothing to do: `take_code` has removed it."""

        def authenticate_user(self, authorization_code: Code) -> Grant:
            return authorization_code.grant

    class RefreshGrant(grants.RefreshTokenGrant):  # type: ignore[misc]
        TOKEN_ENDPOINT_AUTH_METHODS: Final = ["none"]
        # Cognito's default: the refresh token stays valid and is not sent again.
        INCLUDE_NEW_REFRESH_TOKEN = False

        def authenticate_refresh_token(self, refresh_token: str) -> RefreshToken | None:
            return store.refresh_token(refresh_token)

        def authenticate_user(self, refresh_token: RefreshToken) -> Grant:
            return refresh_token.grant

        def revoke_old_credential(self, refresh_token: RefreshToken) -> None:
            """Nothing to do: without rotation the old token stays valid."""

    class Revocation(RevocationEndpoint):  # type: ignore[misc]
        CLIENT_AUTH_METHODS: Final = ["none"]

        def query_token(self, token_string: str, token_type_hint: str | None) -> Any:  # noqa: ARG002
            found = store.refresh_token(token_string)
            return _Revocable(token_string, found) if found else None

        def revoke_token(self, token: "_Revocable", request: OAuth2Request) -> None:  # noqa: ARG002
            store.revoke(token.text)

    def make_tokens(
        *,
        user: Grant,
        scope: str,
        include_refresh_token: bool = True,
        **_: object,
    ) -> dict[str, Any]:
        grant = replace(user, scope=scope)
        answer: dict[str, Any] = {"access_token": tokens.access_token(grant)}
        if "openid" in scope.split():
            answer["id_token"] = tokens.id_token(grant)
        if include_refresh_token:
            answer["refresh_token"] = store.put_refresh_token(grant)
        return {**answer, "token_type": "Bearer", "expires_in": ACCESS_TOKEN_SECONDS}

    server = AuthorizationServer(app, pool.app, lambda token, request: None)
    server.register_token_generator("default", make_tokens)
    server.register_grant(CodeGrant, [_S256Only(required=True)])
    server.register_grant(RefreshGrant)
    server.register_endpoint(Revocation)
    return server


@dataclass(frozen=True, slots=True)
class _Revocable:
    text: str
    token: RefreshToken

    def check_client(self, client: App) -> bool:
        return self.token.check_client(client)
