"""Who asks, and whether this token is for that.

The gateway has verified the token's signature, issuer and expiry. What it cannot tell apart is
an ID token from an access token, or one route's scope from another's, so that is checked here,
and the client once more. Nothing of a token is ever logged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aistratus_contracts.registry import Scope
from aistratus_router.problems import forbidden, unauthorized


@dataclass(frozen=True, slots=True)
class Caller:
    """A signed-in user; `owner` is the `sub` of the token."""

    owner: str


def admit(event: Mapping[str, Any], client_id: str, scope: Scope) -> Caller:
    """The caller of a request, or a 401 or 403 refusal."""
    claims = _claims(event)
    owner = claims.get("sub")
    if claims.get("token_use") != "access" or not isinstance(owner, str) or not owner:
        raise unauthorized("Send an access token of this service as the bearer token.")
    if claims.get("client_id") != client_id:
        raise unauthorized("This token was issued to another application; sign in with ours.")
    if scope.value not in _scopes(claims):
        raise forbidden(f"This needs a token with the scope {scope.value}; sign in again for it.")
    return Caller(owner)


def _scopes(claims: Mapping[str, Any]) -> Sequence[str]:
    """RFC 6749's `scope`: one text, names with a space between, and only U+0020 is a space.

    API Gateway hands every claim over as a text, and a list as `[a b]`: then nobody can tell any
    more where one name ended. Our issuer writes none, so such a claim grants nothing.
    """
    scope = claims.get("scope")
    if not isinstance(scope, str) or scope.startswith("["):
        return ()
    return scope.split(" ")


def _claims(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The verified claims, as the gateway's JWT authorizer hands them over; else nothing."""
    found: Any = event.get("requestContext")
    for name in ("authorizer", "jwt", "claims"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}
