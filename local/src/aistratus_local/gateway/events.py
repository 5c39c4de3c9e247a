"""Payload format 2.0: turns requests into the function's events, and its results into answers."""

import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl

ACCOUNT_ID: Final = "000000000000"
API_ID: Final = "local"
STAGE: Final = "$default"


class MalformedResult(Exception):
    """The function's result is not a valid answer."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request; header names are lower case."""

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    source_ip: str
    protocol: str = "HTTP/1.1"


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer."""

    status: int
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class RequestIds:
    """A request's random id and its time."""

    request_id: str = field(default_factory=lambda: secrets.token_urlsafe(11))
    moment: datetime = field(default_factory=lambda: datetime.now(UTC))


def event_of(
    request: HttpRequest,
    route_key: str,
    authorizer: Mapping[str, Any] | None,
    ids: RequestIds,
) -> dict[str, Any]:
    """The event for a request that matched `route_key` and passed its authorizer."""
    headers = _joined((n, v) for n, v in request.headers if n != "cookie")
    headers["x-forwarded-for"] = request.source_ip
    headers["x-forwarded-proto"] = "http"
    host = headers.get("host", "")
    context: dict[str, Any] = {
        "accountId": ACCOUNT_ID,
        "apiId": API_ID,
        "domainName": host.partition(":")[0],
        "domainPrefix": host.partition(".")[0],
        "http": {
            "method": request.method,
            "path": request.path,
            "protocol": request.protocol,
            "sourceIp": request.source_ip,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": ids.request_id,
        "routeKey": route_key,
        "stage": STAGE,
        "time": ids.moment.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(ids.moment.timestamp() * 1000),
    }
    if authorizer is not None:
        context["authorizer"] = dict(authorizer)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": request.path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": context,
        "isBase64Encoded": False,
    }
    cookies = [
        part.strip()
        for name, value in request.headers
        if name == "cookie"
        for part in value.split(";")
        if part.strip()
    ]
    if cookies:
        event["cookies"] = cookies
    if request.query:
        pairs = parse_qsl(request.query, keep_blank_values=True)
        event["queryStringParameters"] = _joined(pairs)
    if request.body:
        try:
            event["body"] = request.body.decode("utf-8")
        except UnicodeDecodeError:
            event["body"] = base64.b64encode(request.body).decode("ascii")
            event["isBase64Encoded"] = True
    return event


def answer_of(result: object) -> HttpAnswer:
    """The answer for what the function returned; raises `MalformedResult`."""
    if not isinstance(result, dict) or "statusCode" not in result:
        # Any other result becomes the body of a 200.
        return json_answer(200, result)
    status = result["statusCode"]
    if isinstance(status, str) and status.isdigit():
        status = int(status)
    body, headers = result.get("body") or "", result.get("headers") or {}
    cookies = result.get("cookies") or []
    if (
        isinstance(status, bool)
        or not isinstance(status, int)
        or not 100 <= status <= 599
        or not isinstance(body, str)
        or not isinstance(headers, dict)
        or not isinstance(cookies, list)
    ):
        raise MalformedResult
    try:
        content = (
            base64.b64decode(body, validate=True)
            if result.get("isBase64Encoded")
            else body.encode("utf-8")
        )
    except ValueError:
        raise MalformedResult from None
    sent = [(str(name).lower(), _text(value)) for name, value in headers.items()]
    if content and "content-type" not in dict(sent):
        sent.append(("content-type", "text/plain; charset=utf-8"))
    sent += [("set-cookie", str(cookie)) for cookie in cookies]
    return HttpAnswer(status, sent, content)


def json_answer(status: int, document: object, *headers: tuple[str, str]) -> HttpAnswer:
    """An answer that the gateway makes itself."""
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    return HttpAnswer(status, [("content-type", "application/json"), *headers], body)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _joined(pairs: Any) -> dict[str, str]:
    """Each name once, with its values joined by commas."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return {name: ",".join(values) for name, values in found.items()}
