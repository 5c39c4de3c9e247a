"""Only who may gets in, and nothing of a token is ever written down."""

import io
import json
from typing import Any

import pytest

from aistratus_router.api.routes import ROUTES
from aistratus_router.log import logger
from support.router_api import HELLO, Api, access_claims, gateway_event

NEEDS = {
    (route.method, route.path.format(job_id="job-1", conversation_id="conv-1")): route.scope.value
    for route in ROUTES
    if route.scope is not None
}
PATHS = list(NEEDS)
OPEN = [(route.method, route.path) for route in ROUTES if route.scope is None]
SECRET = "eyJhbGciOiJSUzI1NiJ9.secret.signature"


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({}, 401),
        (access_claims(token_use="id"), 401),
        (access_claims(token_use=None), 401),
        (access_claims(client_id="another-app"), 401),
        (access_claims(client_id=None, aud="the-app"), 401),
        (access_claims(sub=None), 401),
        (access_claims(sub=""), 401),
        (access_claims(scope=None), 403),
        (access_claims(scope=""), 403),
        (access_claims(scope="aistratus/infernal aistratus/infe"), 403),
    ],
)
def test_a_token_that_is_not_for_this_is_refused(
    quick_api: Api, method: str, path: str, claims: dict[str, Any], status: int
) -> None:
    reply = quick_api.call(method, path, HELLO, claims=claims)

    assert reply.status == status
    assert reply.json["code"] == {401: "unauthorized", 403: "forbidden"}[status]
    assert ("WWW-Authenticate" in reply.headers) is (status == 401)
    assert quick_api.dynamodb.calls == []
    assert quick_api.sqs.calls == []


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_a_scope_is_for_its_own_routes(quick_api: Api, method: str, path: str) -> None:
    for scope in ("aistratus/infer", "aistratus/operate"):
        reply = quick_api.call(method, path, HELLO, claims=access_claims(scope=f"openid {scope}"))
        assert (reply.status == 403) is (scope != NEEDS[method, path]), reply.text


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_without_a_token_nothing_is_learnt_of_a_request(
    quick_api: Api, method: str, path: str
) -> None:
    reply = quick_api.call(method, path, "{bad", query="odd=1", claims={})

    assert reply.status == 401


@pytest.mark.parametrize(("method", "path"), OPEN)
def test_some_addresses_are_open(quick_api: Api, method: str, path: str) -> None:
    assert quick_api.call(method, path, claims={}).status == 200
    assert quick_api.dynamodb.calls == []


@pytest.mark.parametrize(
    "authorizer", [None, {}, {"jwt": None}, {"jwt": {"claims": None}}, {"lambda": {}}, "odd"]
)
def test_an_event_without_claims_is_nobodys(quick_api: Api, authorizer: Any) -> None:
    event = gateway_event("GET", "/models")
    event["requestContext"]["authorizer"] = authorizer
    answer = quick_api.app(event, quick_api.context)  # type: ignore[arg-type]

    assert answer["statusCode"] == 401


def test_neither_tokens_nor_texts_get_into_the_log(
    quick_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", log)
    headers = {"authorization": f"Bearer {SECRET}", "content-type": "application/json"}
    body = {"messages": [{"role": "user", "content": "My diary"}], "request_id": "r"}

    def break_down(name: str, call: dict[str, Any]) -> None:
        if name == "transact_write_items":
            raise ValueError(f"cannot do {name} with {call}")

    for sent, claims in (
        (body, access_claims("zoe")),
        ({**body, "colour": "My diary"}, access_claims("zoe")),
        (body, access_claims("zoe", token_use="id")),
    ):
        quick_api.call("POST", "/infer", sent, headers=headers, claims=claims)
    quick_api.dynamodb.before = break_down
    reply = quick_api.call("POST", "/infer", body, headers=headers, owner="zoe")

    assert (reply.status, reply.json["code"]) == (500, "internal")
    assert "req-1" in reply.json["detail"]
    written = log.getvalue()
    lines = [json.loads(line) for line in written.splitlines()]
    assert len([line for line in lines if line["message"] == "request"]) == 4
    (failure,) = (line for line in lines if line["message"] == "a request failed")
    assert failure["error_kinds"] == ["ValueError"]
    assert any("store/jobs.py" in frame for frame in failure["error_stack"])
    for secret in (SECRET, "eyJ", "secret", "diary", "zoe"):
        assert secret not in written
        assert secret not in reply.text
