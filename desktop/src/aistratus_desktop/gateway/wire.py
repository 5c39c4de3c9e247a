"""One request and its answer: authorised, size-limited, retried, with one tree of errors."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

from aistratus_contracts.errors import ContractError, ErrorCode
from aistratus_contracts.limits import MAX_BODY_BYTES, MAX_EVENT_WAIT_SECONDS
from aistratus_contracts.problem import problem_from_plain
from aistratus_desktop.gateway.errors import (
    GatewayError,
    NotFound,
    Refused,
    SignInNeeded,
    Unreachable,
    Unreadable,
)
from aistratus_desktop.gateway.pace import Pace
from aistratus_desktop.gateway.tokens import TokenSource

# Above the largest answer that API Gateway passes on (10 MB); larger ones are not the API's.
MAX_REPLY_BYTES: Final = 12 * 1024 * 1024
# The longest poll, plus time for the API's own work and a slow network.
READ_TIMEOUT_SECONDS: Final = MAX_EVENT_WAIT_SECONDS + 15
CONNECT_TIMEOUT_SECONDS: Final = 10
ATTEMPTS: Final = 4
# Statuses that a retry may cure.
PASSING_STATUSES: Final = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful answer: its status and its JSON (None if it has no body).

    `retry_after`: how many seconds the API asks the client to wait before the next request.
    """

    status: int
    document: Any
    retry_after: float | None = None


class Wire:
    """Sends requests to one API. All of them are idempotent, so that they can be retried."""

    def __init__(
        self,
        api_url: str,
        tokens: TokenSource,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.pace = pace or Pace()
        self._tokens = tokens
        self._http = httpx.AsyncClient(
            base_url=api_url.rstrip("/"),
            transport=transport,
            timeout=httpx.Timeout(READ_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS),
            headers={"Accept": "application/json"},
            follow_redirects=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
        attempts: int = ATTEMPTS,
    ) -> Reply:
        """Send the request, and retry if the failure may be temporary; raises `GatewayError`."""
        content = None
        if body is not None:
            content = json.dumps(body, ensure_ascii=False).encode()
            if len(content) > MAX_BODY_BYTES:
                raise _too_large(413)
        failures = 0
        while True:
            try:
                return await self._authorised(method, path, query, content)
            except Unreachable as trouble:
                failures += 1
                if failures >= attempts:
                    raise
                await self.pace.back_off(failures, trouble.retry_after)

    async def _authorised(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None,
        content: bytes | None,
    ) -> Reply:
        """Make one attempt, and after a 401 a second one with a fresh token."""
        token = await self._tokens.access_token()
        status, headers, text = await self._once(method, path, query, content, token)
        if status == 401:
            # Another request may have refreshed the token meanwhile; then use that one.
            if await self._tokens.access_token() == token:
                await self._tokens.refresh()
            token = await self._tokens.access_token()
            status, headers, text = await self._once(method, path, query, content, token)
        if 200 <= status < 300:
            return Reply(status, _parsed(text) if text else None, _retry_after(headers))
        raise _refusal(status, headers, text)

    async def _once(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None,
        content: bytes | None,
        token: str,
    ) -> tuple[int, httpx.Headers, bytes]:
        headers = {"Authorization": f"Bearer {token}"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        try:
            async with self._http.stream(
                method, path, params=query, content=content, headers=headers
            ) as response:
                text = bytearray()
                async for piece in response.aiter_bytes():
                    text += piece
                    if len(text) > MAX_REPLY_BYTES:
                        raise Unreadable("it is larger than any answer should be.")
                return response.status_code, response.headers, bytes(text)
        except httpx.DecodingError as error:
            raise Unreadable("its compression is broken.") from error
        except httpx.HTTPError as error:
            raise Unreachable from error


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Unreadable("it is no JSON.") from error


def _refusal(status: int, headers: httpx.Headers, text: bytes) -> GatewayError:
    """The error for an unsuccessful answer, with or without a problem document."""
    try:
        problem = problem_from_plain(json.loads(text))
    except (ValueError, ContractError):
        problem = None
    if problem is not None and problem.code is ErrorCode.TOO_MANY_OPEN_JOBS:
        # It passes when a job ends, and the person can stop one.
        return Refused(status, problem.detail, problem)
    if status in PASSING_STATUSES:
        sentence = "Aistratus is not available right now. Try again in a moment."
        if problem is not None:
            # The sentence of a 429 already names the next step.
            is_limit = status == 429
            sentence = problem.detail if is_limit else f"{problem.detail} Try again in a moment."
        elif status == 429:
            sentence = "You ask for too much at once. Try again in a moment."
        return Unreachable(sentence, _retry_after(headers))
    if status == 401:
        return SignInNeeded("Your sign-in is not accepted any more. Sign in again.")
    if status == 413:
        return _too_large(status)
    if problem is None:
        return _bare_refusal(status)
    details = " ".join(f"{item.field}: {item.message}" for item in problem.errors)
    sentence = f"{problem.detail} {details}".strip()
    kind = NotFound if problem.code is ErrorCode.NOT_FOUND else Refused
    return kind(status, sentence, problem)


def _bare_refusal(status: int) -> GatewayError:
    """The error for an answer without a problem document, such as API Gateway's own errors."""
    if status == 403:
        return Refused(
            status, "Your account may not do this. Ask the owner of this Aistratus for access."
        )
    if status == 404:
        return NotFound(status, "This is not there any more, or was never yours.")
    if 300 <= status < 400:
        return Unreadable("another address answered. Check the API URL in the settings.")
    return Refused(status, f"Aistratus refused this (HTTP {status}). Update the app and try again.")


def _too_large(status: int) -> Refused:
    return Refused(status, "This message is too long. Send a shorter one.")


def _retry_after(headers: httpx.Headers) -> float | None:
    """The `Retry-After` header in seconds (RFC 9110: a number or a date)."""
    value = headers.get("Retry-After")
    if value is None:
        return None
    if value.isdigit():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
