"""Requests as API Gateway hands them to the router."""

import itertools
import json
from typing import Any
from urllib.parse import urlencode

CLIENT_ID = "the-app"
_serial = itertools.count()


def access_claims(owner: str = "ann", **changes: Any) -> dict[str, Any]:
    """The claims of a good access token, as API Gateway hands them over; None takes one out."""
    claims: dict[str, Any] = {
        "sub": owner,
        "token_use": "access",
        "client_id": CLIENT_ID,
        "scope": "openid aistratus/infer",
        "iss": "https://issuer.test/pool",
        "exp": "1795000000",
    }
    claims.update(changes)
    return {name: value for name, value in claims.items() if value is not None}


def gateway_event(
    method: str,
    path: str,
    body: Any = None,
    *,
    query: dict[str, Any] | str = "",
    claims: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
    is_base64: bool = False,
) -> dict[str, Any]:
    """An HTTP API event, payload format 2.0."""
    context: dict[str, Any] = {
        "stage": "$default",
        "http": {"method": method, "path": path, "sourceIp": "127.0.0.1", "userAgent": "test"},
        "requestId": f"gateway-{next(_serial)}",
    }
    if claims:
        context["authorizer"] = {"jwt": {"claims": claims, "scopes": None}}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query if isinstance(query, str) else urlencode(query),
        "headers": {"content-type": "application/json"} if headers is None else headers,
        "requestContext": context,
        "isBase64Encoded": is_base64,
    }
    if body is not None:
        event["body"] = body if isinstance(body, str) else json.dumps(body)
    return event
