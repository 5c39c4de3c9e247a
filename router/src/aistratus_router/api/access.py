"""Who is asking, and whether their token allows it.

The gateway has verified the token's signature, issuer and expiry. It cannot tell an ID token
from an access token, or one route's scope from another's, so that is checked here, and the client
once more. No part of a token is ever logged.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from aistratus_contracts.registry import Scope
from aistratus_router.wire.problems import forbidden, unauthorized


def admit(event: Mapping[str, Any], client_id: str, scope: Scope) -> str:
    """The owner that a request speaks for, its token's `sub`; or a 401 or 403 refusal."""
    claims = _claims(event)
    owner = claims.get("sub")
    if claims.get("token_use") != "access" or not isinstance(owner, str) or not owner:
        raise unauthorized("Send an access token of this service as the bearer token.")
    if claims.get("client_id") != client_id:
        raise unauthorized("This token was issued to another application; sign in with ours.")
    if scope.value not in _scopes(claims):
        raise forbidden(f"This needs a token with the scope {scope.value}; sign in again for it.")
    return owner


def _scopes(claims: Mapping[str, Any]) -> Sequence[str]:
    """RFC 6749's `scope`: one text of names, separated by U+0020 and nothing else.

    API Gateway passes every claim as a text, and a list as `[a b]`, which no longer shows where a
    name ended. Our issuer writes no lists, so such a claim grants nothing.
    """
    scope = claims.get("scope")
    if not isinstance(scope, str) or scope.startswith("["):
        return ()
    return scope.split(" ")


def _claims(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The verified claims that the gateway's JWT authorizer passes on; empty without any."""
    found: Any = event.get("requestContext")
    for name in ("authorizer", "jwt", "claims"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}
