"""The gateway answers as API Gateway's HTTP API does, word for word where it speaks itself."""

import asyncio
import base64
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from aistratus_local.gateway.api import MAX_BODY_BYTES, Api, Cors
from aistratus_local.gateway.authorizer import Forbidden, Unauthorized
from aistratus_local.gateway.events import (
    HttpRequest,
    MalformedResult,
    RequestIds,
    answer_of,
    event_of,
)
from aistratus_local.gateway.function import Function, FunctionFailed, FunctionTimedOut
from aistratus_local.gateway.turns import TooManyCalls
from support import functions

TESTS = Path(__file__).parents[1]
PAGE = "http://localhost:8550"


@dataclass
class FakeFunction:
    """What stands in for an environment: the test's function, called in this process."""

    failure: Exception | None = None
    events: list[Mapping[str, Any]] = field(default_factory=list)
    users: list[str] = field(default_factory=list)

    async def invoke(self, event: Mapping[str, Any], user: str) -> Any:
        self.events.append(event)
        self.users.append(user)
        if self.failure:
            raise self.failure
        return functions.handler(event, None)


class FakeAuthorizer:
    """Admits `good`."""

    async def authorize(self, header: str | None) -> dict[str, Any]:
        if header == "forbidden":
            raise Forbidden
        if header != "good":
            raise Unauthorized("the token has expired" if header else "")
        return {"jwt": {"claims": {"sub": "someone"}, "scopes": ["aistratus/infer"]}}


@dataclass
class Gateway:
    function: FakeFunction = field(default_factory=FakeFunction)

    def send(self, method: str, path: str, **more: Any) -> httpx.Response:
        api = Api(self.function, FakeAuthorizer(), Cors([PAGE]))  # type: ignore[arg-type]

        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(api.app(), client=("127.0.0.1", 4711))
            async with httpx.AsyncClient(transport=transport, base_url="http://api:1") as http:
                return await http.request(method, path, **more)

        return asyncio.run(once())

    def good(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"authorization": "good", **more.pop("headers", {})}
        return self.send(method, path, headers=headers, **more)


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


def test_an_event_is_payload_format_2_0_to_the_letter() -> None:
    request = HttpRequest(
        method="POST",
        path="/jobs/a%20b",
        query="after=1&wait=20&after=2&empty=",
        headers=[
            ("host", "127.0.0.1:8551"),
            ("user-agent", "a test"),
            ("x-twice", "one"),
            ("cookie", "a=1; b=2"),
            ("x-twice", "two"),
            ("cookie", "c=3"),
        ],
        body="ä".encode(),
        source_ip="127.0.0.1",
    )
    ids = RequestIds("the-id", datetime(2026, 3, 12, 19, 3, 58, tzinfo=UTC))
    assert event_of(request, "$default", {"jwt": {"claims": {}, "scopes": None}}, ids) == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/jobs/a%20b",
        "rawQueryString": "after=1&wait=20&after=2&empty=",
        "cookies": ["a=1", "b=2", "c=3"],
        "headers": {
            "host": "127.0.0.1:8551",
            "user-agent": "a test",
            "x-twice": "one,two",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-proto": "http",
        },
        "queryStringParameters": {"after": "1,2", "wait": "20", "empty": ""},
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "authorizer": {"jwt": {"claims": {}, "scopes": None}},
            "domainName": "127.0.0.1",
            "domainPrefix": "127",
            "http": {
                "method": "POST",
                "path": "/jobs/a%20b",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "a test",
            },
            "requestId": "the-id",
            "routeKey": "$default",
            "stage": "$default",
            "time": "12/Mar/2026:19:03:58 +0000",
            "timeEpoch": 1773342238000,
        },
        "body": "ä",
        "isBase64Encoded": False,
    }


def test_a_bare_request_has_no_empty_fields() -> None:
    event = event_of(
        HttpRequest("GET", "/health", "", [], b"", ""), "GET /health", None, RequestIds()
    )
    assert not {"body", "cookies", "queryStringParameters"} & set(event)
    assert "authorizer" not in event["requestContext"]


def test_a_body_that_is_no_text_travels_as_base64(gateway: Gateway) -> None:
    event = gateway.good("POST", "/echo", content=b"\xff\x00").json()["event"]
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == b"\xff\x00"


def test_a_result_may_be_binary_and_set_cookies(gateway: Gateway) -> None:
    answer = gateway.good("GET", "/binary")
    assert answer.status_code == 201
    assert answer.content == b"\x00\xff"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-number"] == "7"
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2; HttpOnly"]
    assert answer.headers["apigw-requestid"]


def test_a_result_without_a_status_is_a_200_with_it_as_json(gateway: Gateway) -> None:
    answer = gateway.good("GET", "/echo")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "result",
    [
        {"statusCode": "many"},
        {"statusCode": True},
        {"statusCode": 42},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "cookies": "a"},
        {"statusCode": 200, "body": "?", "isBase64Encoded": True},
    ],
)
def test_a_malformed_result_is_no_answer(result: dict[str, Any]) -> None:
    with pytest.raises(MalformedResult):
        answer_of(result)


def test_open_routes_need_no_token(gateway: Gateway) -> None:
    for path in ("/health", "/openapi.json"):
        event = gateway.send("GET", path).json()["event"]
        assert event["routeKey"] == f"GET {path}"
        assert "authorizer" not in event["requestContext"]
    for method, path in (("POST", "/health"), ("GET", "/health/"), ("GET", "/")):
        assert gateway.send(method, path).status_code == 401


def test_other_routes_need_one(gateway: Gateway) -> None:
    event = gateway.good("GET", "/echo?x=1").json()["event"]
    assert event["routeKey"] == "$default"
    assert event["requestContext"]["authorizer"]["jwt"]["claims"] == {"sub": "someone"}
    refused = gateway.send("GET", "/echo")
    assert refused.status_code == 401
    assert refused.content == b'{"message":"Unauthorized"}'
    assert refused.headers["www-authenticate"] == "Bearer"
    refused = gateway.send("GET", "/echo", headers={"authorization": "old"})
    assert refused.headers["www-authenticate"] == (
        'Bearer scope="" error="invalid_token" error_description="the token has expired"'
    )
    refused = gateway.send("GET", "/echo", headers={"authorization": "forbidden"})
    assert refused.status_code == 403
    assert refused.content == b'{"message":"Forbidden"}'
    assert len(gateway.function.events) == 1


def test_ten_megabytes_are_enough(gateway: Gateway) -> None:
    assert gateway.good("POST", "/cors", content=b"x" * MAX_BODY_BYTES).status_code == 200
    answer = gateway.good("POST", "/cors", content=b"x" * (MAX_BODY_BYTES + 1))
    assert answer.status_code == 413
    assert answer.content == b'{"message":"Request Too Long"}'

    async def unannounced() -> Any:
        for _ in range(11):
            yield b"x" * (1024 * 1024)

    assert gateway.good("POST", "/cors", content=unannounced()).status_code == 413
    # Who is not let in is not listened to.
    assert gateway.send("POST", "/cors", content=b"x" * 100).status_code == 401


def test_ten_kilobytes_of_head_are_enough(gateway: Gateway) -> None:
    assert gateway.good("GET", "/cors?" + "x" * 9_000).status_code == 200
    for path, headers in (("/cors?" + "x" * 10_240, {}), ("/cors", {"x-long": "x" * 10_240})):
        answer = gateway.good("GET", path, headers=headers)
        assert answer.status_code == 431
    assert len(gateway.function.events) == 1


@pytest.mark.parametrize(
    ("failure", "status", "message"),
    [
        (FunctionTimedOut("late"), 503, b'{"message":"Service Unavailable"}'),
        (FunctionFailed("broken"), 500, b'{"message":"Internal Server Error"}'),
    ],
)
def test_a_function_that_fails_is_told_in_api_gateways_words(
    gateway: Gateway, failure: Exception, status: int, message: bytes
) -> None:
    gateway.function.failure = failure
    answer = gateway.good("GET", "/echo")
    assert (answer.status_code, answer.content) == (status, message)


def test_a_malformed_result_is_a_500(gateway: Gateway) -> None:
    assert gateway.good("GET", "/malformed").status_code == 500


def test_preflights_are_the_gateways(gateway: Gateway) -> None:
    asked = {"origin": PAGE, "access-control-request-method": "POST"}
    answer = gateway.send("OPTIONS", "/infer", headers=asked)
    assert answer.status_code == 204
    assert answer.content == b""
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "authorization" in answer.headers["access-control-allow-headers"]
    assert answer.headers["access-control-max-age"] == "300"
    other = gateway.send("OPTIONS", "/infer", headers={**asked, "origin": "http://evil.example"})
    assert not [name for name in other.headers if name.startswith("access-control")]
    assert gateway.function.events == []


def test_only_known_pages_may_read_answers_and_the_function_has_no_say(gateway: Gateway) -> None:
    known = gateway.good("GET", "/cors", headers={"origin": PAGE})
    assert known.headers["access-control-allow-origin"] == PAGE
    assert known.headers["vary"] == "Origin"
    assert known.headers["x-own"] == "1"
    for headers in ({}, {"origin": "http://evil.example"}):
        answer = gateway.good("GET", "/cors", headers=headers)
        assert "access-control-allow-origin" not in answer.headers
    refused = gateway.send("GET", "/echo", headers={"origin": PAGE})
    assert refused.headers["access-control-allow-origin"] == PAGE


def test_nothing_of_a_request_is_logged(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    gateway.function.failure = FunctionFailed("broken")
    gateway.good("POST", "/echo?secret-query", content=b"secret-body")
    gateway.send("GET", "/echo", headers={"authorization": "secret-token"})
    ours = [record for record in caplog.records if record.name.startswith("gateway")]
    assert [record.getMessage() for record in ours] == ["broken"]


def test_with_real_environments_behind_it() -> None:
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "AWS_REGION": "eu-central-1"}
    function = Function("f", "support.functions.handler", environment, timeout_seconds=1.0)
    api = Api(function, FakeAuthorizer(), Cors([]))  # type: ignore[arg-type]

    async def several() -> list[int]:
        transport = httpx.ASGITransport(api.app())
        headers = {"authorization": "good"}
        try:
            await function.start()
            async with httpx.AsyncClient(
                transport=transport, base_url="http://api", headers=headers
            ) as http:
                paths = ("/echo", "/sleep?5", "/raise", "/crash", "/large", "/malformed")
                answers = await asyncio.gather(*(http.get(path) for path in paths))
                return [answer.status_code for answer in answers]
        finally:
            await function.stop()

    assert asyncio.run(several()) == [200, 503, 500, 500, 500, 500]


def test_a_call_is_its_users(gateway: Gateway) -> None:
    gateway.good("GET", "/anything")
    gateway.send("GET", "/health")
    assert gateway.function.users == ["someone", ""]


def test_who_has_too_many_calls_waiting_is_told_when_to_come_again(gateway: Gateway) -> None:
    gateway.function.failure = TooManyCalls()
    answer = gateway.good("GET", "/anything")
    assert (answer.status_code, answer.json()) == (429, {"message": "Too Many Requests"})
    assert int(answer.headers["retry-after"]) > 0
