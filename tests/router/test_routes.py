"""What a route declares is what it does, and there is no route that is not declared."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

from aistratus_local.gateway.api import CORS_METHODS, OPEN_ROUTES
from aistratus_router.api import routes
from aistratus_router.api.routes import ROUTES
from aistratus_router.api.routing import Route
from support.router_api import Api, access_claims, memory_api

GATEWAY = Path(__file__).parents[2] / "terraform" / "modules" / "api" / "main.tf"
METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
AN_ID = {"job_id": f"job-{'a' * 24}", "conversation_id": f"conv-{'a' * 24}"}
BOTH_SCOPES = access_claims(scope="aistratus/infer aistratus/operate")

each_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)


@each_route
def test_a_declared_route_can_be_reached(quick_api: Api, route: Route) -> None:
    reply = quick_api.call(
        route.method, route.path.format(**AN_ID), query="colour=blue", claims=BOTH_SCOPES
    )

    assert (reply.status, reply.fields) == (422, ["?colour"])


@each_route
def test_what_a_route_declares_to_read_is_read(quick_api: Api, route: Route) -> None:
    path = route.path.format(**AN_ID)
    for name in route.query.model_fields if route.query else ():
        reply = quick_api.call(route.method, path, query={name: "?"}, claims=BOTH_SCOPES)
        assert (reply.status, reply.fields) == (422, [f"?{name}"])
    for name in route.ids:
        odd = route.path.format(**{**AN_ID, name: "odd"})
        reply = quick_api.call(route.method, odd, claims=BOTH_SCOPES)
        assert (reply.status, reply.json["code"]) == (404, "not_found")
    if route.body is not None:
        reply = quick_api.call(route.method, path, {"colour": "blue"}, claims=BOTH_SCOPES)
        assert reply.status == 422
        assert "/colour" in reply.fields
    assert quick_api.dynamodb.calls == []


@each_route
def test_a_handler_takes_what_its_declaration_gives(route: Route) -> None:
    given = {
        *route.ids,
        *(["desk"] if route.scope else []),
        *(["query"] if route.query else []),
        *(["body"] if route.body else []),
    }

    assert set(inspect.signature(route.handler).parameters) == given
    assert set(re.findall("{(.+?)}", route.path)) == set(route.ids)


def test_no_route_is_there_beside_the_declared_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    served = []
    add = APIGatewayHttpResolver.route

    def recorded(self: APIGatewayHttpResolver, rule: str, method: str) -> Any:
        served.append((method, rule.replace("<", "{").replace(">", "}")))
        return add(self, rule, method)

    monkeypatch.setattr(APIGatewayHttpResolver, "route", recorded)
    memory_api()

    assert served == [(route.method, route.path) for route in ROUTES]


def test_a_path_answers_to_its_declared_methods_only(quick_api: Api) -> None:
    declared: dict[str, set[str]] = {}
    for route in ROUTES:
        declared.setdefault(route.path, set()).add(route.method)
    for path, methods in declared.items():
        for method in set(METHODS) - methods:
            reply = quick_api.call(method, path.format(**AN_ID), claims=BOTH_SCOPES)
            assert (reply.status, reply.headers["Allow"]) == (405, ", ".join(sorted(methods)))


def test_every_public_function_beside_the_routes_is_one() -> None:
    public = {
        name
        for name, function in inspect.getmembers(routes, inspect.isfunction)
        if function.__module__ == routes.__name__ and not name.startswith("_")
    }

    assert public == {route.name for route in ROUTES}


def test_the_gateways_know_the_same_open_routes_and_methods() -> None:
    terraform = GATEWAY.read_text(encoding="utf-8")
    open_routes = {f"{route.method} {route.path}" for route in ROUTES if route.scope is None}
    methods = {route.method for route in ROUTES}

    assert open_routes == OPEN_ROUTES == set(_strings(terraform, "open_routes"))
    assert methods == set(CORS_METHODS) == set(_strings(terraform, "allow_methods"))


def _strings(terraform: str, name: str) -> list[str]:
    """The value of a list of strings."""
    (found,) = re.findall(rf"^ *{name} *= \[(.*)\]$", terraform, re.MULTILINE)
    return re.findall('"(.+?)"', found)
