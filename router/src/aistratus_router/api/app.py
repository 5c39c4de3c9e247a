"""The API: each request is served as its route declares, and each error becomes a problem."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from aistratus_contracts.problem import PROBLEM_CONTENT_TYPE, problem_to_plain
from aistratus_router.api.access import admit
from aistratus_router.api.context import RequestContext
from aistratus_router.api.reading import read_body, read_query
from aistratus_router.api.routes import ROUTES
from aistratus_router.api.routing import ID_PATTERNS, Route, Written
from aistratus_router.api.transient import is_transient
from aistratus_router.log import describe, logger
from aistratus_router.ports import Ports
from aistratus_router.wire.problems import (
    Refusal,
    internal,
    method_not_allowed,
    not_found,
    unavailable,
)
from aistratus_router.wire.requests import NoQuery

JSON: Final = "application/json"


class App:
    """The API: takes API Gateway v2 events and returns API Gateway v2 answers."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._resolver = APIGatewayHttpResolver()
        for route in ROUTES:
            self._serve(route)
        self._resolver.not_found(self._no_such_route)
        self._resolver.exception_handler(Exception)(self._failed)

    def __call__(self, event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Answer one request."""
        began = self._ports.monotonic()
        answer = self._resolver.resolve(event, context)
        logger.info(
            "request",
            method=self._resolver.current_event.http_method,
            path=self._resolver.current_event.path[:200],
            status=answer["statusCode"],
            milliseconds=round((self._ports.monotonic() - began) * 1000, 1),
            request_id=context.aws_request_id,
        )
        return answer

    def _serve(self, route: Route) -> None:
        def answer(**ids: str) -> Response[str]:
            return _response(route, route.handler(**self._arguments(route, ids)))

        self._resolver.route(re.sub("{(.+?)}", r"<\1>", route.path), route.method)(answer)

    def _arguments(self, route: Route, ids: Mapping[str, str]) -> dict[str, Any]:
        """The handler's arguments. The caller is admitted before anything else is read."""
        event = self._resolver.current_event.raw_event
        arguments: dict[str, Any] = {**ids}
        if route.scope is not None:
            addresses = self._ports.registry.read()
            owner = admit(event, addresses.client_id, route.scope)
            arguments["context"] = RequestContext(self._ports, addresses, owner, self._left_seconds)
        query = read_query(event, route.query or NoQuery)
        if route.query is not None:
            arguments["query"] = query
        for name, text in ids.items():
            if re.fullmatch(ID_PATTERNS[name], text) is None:
                raise not_found(name.removesuffix("_id"))
        if route.body is not None:
            arguments["body"] = read_body(event, route.body)
        return arguments

    def _left_seconds(self) -> float:
        return self._resolver.lambda_context.get_remaining_time_in_millis() / 1000

    def _no_such_route(self, _: NotFoundError) -> Response[str]:
        request = self._resolver.current_event
        allowed = [route.method for route in ROUTES if _matches(route.path, request.path)]
        if not allowed or request.http_method in allowed:
            # The second case: an id with characters that no id has.
            return _problem(not_found("address"))
        return _problem(method_not_allowed(allowed))

    def _failed(self, error: Exception) -> Response[str]:
        """Turn any error into a problem document."""
        if isinstance(error, Refusal):
            return _problem(error)
        request_id = self._resolver.lambda_context.aws_request_id
        if is_transient(error):
            logger.warning("a service did not answer", request_id=request_id, **describe(error))
            return _problem(unavailable())
        logger.error("a request failed", request_id=request_id, **describe(error))
        return _problem(internal(request_id))


def build_app(ports: Ports) -> App:
    """The API over these ports."""
    return App(ports)


def _response(route: Route, answer: BaseModel | Written | None) -> Response[str]:
    match answer:
        case None:
            return Response(route.status)
        case Written(text, headers):
            return Response(route.status, JSON, text, dict(headers))
        case _:
            # Fields without a value are left out, as in the contracts.
            return Response(route.status, JSON, answer.model_dump_json(exclude_none=True))


def _problem(refusal: Refusal) -> Response[str]:
    document = problem_to_plain(refusal.problem)
    return Response(
        refusal.problem.status, PROBLEM_CONTENT_TYPE, json.dumps(document), refusal.headers
    )


def _matches(pattern: str, path: str) -> bool:
    return re.fullmatch(re.sub("{[^}]+}", "[^/]+", pattern), path) is not None
