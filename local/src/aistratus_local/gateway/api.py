"""The HTTP API: routes, authorizer, limits, CORS; errors in API Gateway's own words."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPMethod
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from aistratus_local.gateway.authorizer import Authorizer, Forbidden, Unauthorized
from aistratus_local.gateway.events import (
    HttpAnswer,
    HttpRequest,
    MalformedResult,
    RequestIds,
    answer_of,
    event_of,
    json_answer,
)
from aistratus_local.gateway.function import Function, FunctionFailed, FunctionTimedOut
from aistratus_local.gateway.turns import TooManyCalls
from aistratus_local.visitors import Visitors

log = logging.getLogger("gateway")

MAX_BODY_BYTES: Final = 10 * 1024 * 1024
# API Gateway's quota for the request line and all header values; the error's wording is a guess.
MAX_HEAD_BYTES: Final = 10_240
OPEN_ROUTES: Final = frozenset({"GET /health", "GET /openapi.json"})
DEFAULT_ROUTE: Final = "$default"
CORS_METHODS: Final = ("GET", "POST", "PUT", "DELETE")
CORS_HEADERS: Final = ("authorization", "content-type")
CORS_MAX_AGE_SECONDS: Final = 300
# Sent to a user with too many waiting calls.
RETRY_AFTER_SECONDS: Final = 2


class TooLong(Exception):
    """The body exceeds 10 MB: 413."""


@dataclass(frozen=True, slots=True)
class Cors:
    """The API's CORS configuration: which pages may call it from a browser."""

    allow_origins: Sequence[str]

    def headers(self, request: HttpRequest, *, is_preflight: bool) -> list[tuple[str, str]]:
        """The CORS headers for an answer; none for a page that may not call."""
        origin = _header(request, "origin")
        if origin is None or origin not in self.allow_origins:
            return []
        found = [("access-control-allow-origin", origin), ("vary", "Origin")]
        if is_preflight:
            found += [
                ("access-control-allow-methods", ",".join(CORS_METHODS)),
                ("access-control-allow-headers", ",".join(CORS_HEADERS)),
                ("access-control-max-age", str(CORS_MAX_AGE_SECONDS)),
            ]
        return found


@dataclass(frozen=True, slots=True)
class Api:
    """One API with one function behind it.

    `visitors` decides which browser requests its port accepts. API Gateway has no such check: it
    is not on loopback.
    """

    function: Function
    authorizer: Authorizer
    cors: Cors
    visitors: Visitors | None = None

    def app(self) -> ASGIApp:
        """The API as an ASGI application."""

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                ids = RequestIds()
                try:
                    answer = await self._answer(scope, receive, ids)
                except ClientDisconnect:
                    return
                await _send(send, answer, ids)

        return application

    async def _answer(self, scope: Scope, receive: Receive, ids: RequestIds) -> HttpAnswer:
        request = _head_of(scope)
        values = sum(len(value) for _, value in request.headers)
        if len(request.path) + len(request.query) + values > MAX_HEAD_BYTES:
            return json_answer(431, {"message": "Request Header Fields Too Large"})
        if self.visitors is not None:
            turned_away = self.visitors.turn_away(request.method, dict(request.headers))
            if turned_away is not None:
                return json_answer(turned_away.status, {"message": turned_away.sentence})
        if request.method == HTTPMethod.OPTIONS:
            return HttpAnswer(204, self.cors.headers(request, is_preflight=True))
        answer = await self._route(request, Request(scope, receive), ids)
        # With CORS configured, the function's own CORS headers are dropped.
        own = [(n, v) for n, v in answer.headers if not n.startswith("access-control-")]
        headers = own + self.cors.headers(request, is_preflight=False)
        return HttpAnswer(answer.status, headers, answer.body)

    async def _route(self, request: HttpRequest, incoming: Request, ids: RequestIds) -> HttpAnswer:
        route_key = f"{request.method} {request.path}"
        authorizer = None
        try:
            if route_key not in OPEN_ROUTES:
                route_key = DEFAULT_ROUTE
                authorizer = await self.authorizer.authorize(_header(request, "authorization"))
            body = await _body_of(incoming)
            complete = HttpRequest(
                request.method,
                request.path,
                request.query,
                request.headers,
                body,
                request.source_ip,
                request.protocol,
            )
            event = event_of(complete, route_key, authorizer, ids)
            return answer_of(await self.function.invoke(event, _user_of(authorizer)))
        except Unauthorized as error:
            challenge = "Bearer"
            if error.reason:
                challenge += f' scope="" error="invalid_token" error_description="{error.reason}"'
            return json_answer(401, {"message": "Unauthorized"}, ("www-authenticate", challenge))
        except Forbidden:
            challenge = 'Bearer error="insufficient_scope"'
            return json_answer(403, {"message": "Forbidden"}, ("www-authenticate", challenge))
        except TooLong:
            return json_answer(413, {"message": "Request Too Long"})
        except TooManyCalls:
            retry = ("retry-after", str(RETRY_AFTER_SECONDS))
            return json_answer(429, {"message": "Too Many Requests"}, retry)
        except FunctionTimedOut as error:
            log.warning("%s", error)
            return json_answer(503, {"message": "Service Unavailable"})
        except (FunctionFailed, MalformedResult) as error:
            log.warning("%s", error or "the function returned no answer")
            return json_answer(500, {"message": "Internal Server Error"})


def _user_of(authorizer: dict[str, Any] | None) -> str:
    """The user who makes the call; all anonymous calls count as one user."""
    return "" if authorizer is None else str(authorizer["jwt"]["claims"].get("sub", ""))


def _head_of(scope: Scope) -> HttpRequest:
    """A request without its body."""
    headers = [(n.decode("latin-1").lower(), v.decode("latin-1")) for n, v in scope["headers"]]
    client = scope.get("client")
    return HttpRequest(
        method=scope["method"],
        path=(scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0],
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        body=b"",
        source_ip=client[0] if client else "",
        protocol=f"HTTP/{scope['http_version']}",
    )


async def _body_of(incoming: Request) -> bytes:
    length = incoming.headers.get("content-length", "")
    if length.isdigit() and int(length) > MAX_BODY_BYTES:
        raise TooLong
    body = bytearray()
    async for part in incoming.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise TooLong
    return bytes(body)


def _header(request: HttpRequest, name: str) -> str | None:
    return next((value for found, value in request.headers if found == name), None)


async def _send(send: Send, answer: HttpAnswer, ids: RequestIds) -> None:
    headers = [(n, v) for n, v in answer.headers if n not in ("content-length", "date")]
    headers.append(("apigw-requestid", ids.request_id))
    if answer.status != 204:
        headers.append(("content-length", str(len(answer.body))))
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": [(n.encode("latin-1"), v.encode("latin-1", "replace")) for n, v in headers],
        }
    )
    await send({"type": "http.response.body", "body": answer.body})


async def every(seconds: float, function: Function, event: dict[str, object]) -> None:
    """Call the function at a fixed interval for ever, as an EventBridge schedule does."""
    is_started = False
    while True:
        await asyncio.sleep(seconds)
        try:
            if not is_started:
                await function.start()
                is_started = True
            await function.invoke(event)
        except (FunctionFailed, FunctionTimedOut) as error:
            log.warning("%s", error)
