"""The routes. Each says who may call, what it reads, what it does and what it answers."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from aistratus_contracts.job import CONVERSATION_ID_PATTERN, JOB_ID_PATTERN
from aistratus_contracts.problem import PROBLEM_CONTENT_TYPE, problem_to_plain
from aistratus_contracts.registry import Scope
from aistratus_router import VERSION
from aistratus_router.access import admit
from aistratus_router.desk import Desk
from aistratus_router.log import describe, logger
from aistratus_router.outages import is_passing
from aistratus_router.polling import EventsPage
from aistratus_router.ports import Ports
from aistratus_router.problems import (
    Refusal,
    internal,
    method_not_allowed,
    not_found,
    unavailable,
)
from aistratus_router.reading import read_body, read_query
from aistratus_router.requests import (
    ConversationsQuery,
    EventsQuery,
    FleetRequest,
    InferRequest,
    NoQuery,
    TurnsQuery,
)
from aistratus_router.responses import Health, JobAccepted, Model, Models

JSON: Final = "application/json"


class App:
    """The API: takes API Gateway v2 events and gives API Gateway v2 answers."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._resolver = APIGatewayHttpResolver()
        self.routes: list[tuple[str, str]] = []
        self._route("GET", "/health", self.health)
        self._route("GET", "/openapi.json", self.openapi)
        self._route("GET", "/models", self.models)
        self._route("POST", "/infer", self.infer)
        self._route("GET", "/jobs/<job_id>", self.job)
        self._route("GET", "/jobs/<job_id>/events", self.events)
        self._route("POST", "/jobs/<job_id>/cancel", self.cancel)
        self._route("GET", "/conversations", self.list_conversations)
        self._route("GET", "/conversations/<conversation_id>", self.conversation)
        self._route("DELETE", "/conversations/<conversation_id>", self.delete_conversation)
        self._route("GET", "/fleet", self.fleet)
        self._route("PUT", "/fleet", self.set_fleet)
        self._route("POST", "/start", self.start)
        self._route("POST", "/stop", self.stop)
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

    # --- open to all ----------------------------------------------------------------------

    def health(self) -> Response[str]:
        """Is the service up?"""
        read_query(self._event, NoQuery)
        return _json(200, Health(status="ok", version=VERSION))

    def openapi(self) -> Response[str]:
        """This API's description."""
        from aistratus_router.openapi import document_text  # noqa: PLC0415 (start-up time)

        read_query(self._event, NoQuery)
        return Response(200, JSON, document_text())

    # --- prompts and jobs -----------------------------------------------------------------

    def models(self) -> Response[str]:
        """What can be asked for?"""
        addresses = self._ports.registry.read()
        admit(self._event, addresses.client_id, Scope.INFER)
        read_query(self._event, NoQuery)
        cards = addresses.catalogue.models
        return _json(
            200,
            Models(
                models=[
                    Model(
                        id=card.id,
                        title=card.title,
                        context=card.context,
                        default_max_tokens=card.default_max_tokens,
                        default_temperature=card.default_temperature,
                        license=card.license,
                    )
                    for card in cards
                ]
            ),
        )

    def infer(self) -> Response[str]:
        """Take a prompt in."""
        desk = self._desk()
        read_query(self._event, NoQuery)
        accepted = desk.intake().accept(read_body(self._event, InferRequest))
        if not accepted.state.is_final:
            desk.fleet().wake()
        answer = JobAccepted(
            job_id=accepted.job_id,
            conversation_id=accepted.conversation_id,
            state=accepted.state,
        )
        return _json(202, answer, {"Location": f"/jobs/{accepted.job_id}"})

    def job(self, job_id: str) -> Response[str]:
        """How does a job stand?"""
        desk = self._desk()
        read_query(self._event, NoQuery)
        return _json(200, desk.views().job(_job_id(job_id)))

    def events(self, job_id: str) -> Response[str]:
        """What is new in a job?"""
        desk = self._desk()
        query = read_query(self._event, EventsQuery)
        page = desk.poller().events(
            desk.caller, _job_id(job_id), query.after, query.wait, self._left_seconds()
        )
        headers = {} if page.retry_after is None else {"Retry-After": str(page.retry_after)}
        return Response(200, JSON, _events_text(page), headers)

    def cancel(self, job_id: str) -> Response[str]:
        """Stop a job."""
        desk = self._desk()
        read_query(self._event, NoQuery)
        record = desk.canceller().cancel(desk.caller, _job_id(job_id))
        job = record.job
        answer = JobAccepted(
            job_id=job.job_id, conversation_id=job.conversation_id, state=record.cursor.state
        )
        return _json(202, answer)

    # --- conversations --------------------------------------------------------------------

    def list_conversations(self) -> Response[str]:
        """Which conversations are there?"""
        desk = self._desk()
        query = read_query(self._event, ConversationsQuery)
        return _json(200, desk.views().conversation_list(query.limit, query.cursor))

    def conversation(self, conversation_id: str) -> Response[str]:
        """What was said?"""
        desk = self._desk()
        query = read_query(self._event, TurnsQuery)
        return _json(
            200, desk.views().conversation(_conversation_id(conversation_id), query.before)
        )

    def delete_conversation(self, conversation_id: str) -> Response[str]:
        """Forget a conversation."""
        desk = self._desk()
        read_query(self._event, NoQuery)
        desk.remover(self._left_seconds).delete(_conversation_id(conversation_id))
        return Response(204)

    # --- the fleet ------------------------------------------------------------------------

    def fleet(self) -> Response[str]:
        """How does the GPU stand?"""
        desk = self._desk()
        read_query(self._event, NoQuery)
        return _json(200, desk.fleet().show())

    def set_fleet(self) -> Response[str]:
        """After how long without work does it go off?"""
        desk = self._desk(Scope.OPERATE)
        read_query(self._event, NoQuery)
        asked = read_body(self._event, FleetRequest)
        desk.fleet().must_be_managed()
        self._ports.registry.set_idle_timeout(asked.idle_timeout_seconds)
        return _json(200, self._desk(Scope.OPERATE).fleet().show())

    def start(self) -> Response[str]:
        """Wake the GPU before the first prompt."""
        desk = self._desk(Scope.OPERATE)
        read_query(self._event, NoQuery)
        return _json(202, desk.fleet().start())

    def stop(self) -> Response[str]:
        """Turn the GPU off now."""
        desk = self._desk(Scope.OPERATE)
        read_query(self._event, NoQuery)
        return _json(202, desk.fleet().stop())

    # --- what every route goes through ----------------------------------------------------

    @property
    def _event(self) -> Mapping[str, Any]:
        return self._resolver.current_event.raw_event

    def _desk(self, scope: Scope = Scope.INFER) -> Desk:
        """Admit the caller of the current request, and lay out what serves them."""
        addresses = self._ports.registry.read()
        return Desk(self._ports, addresses, admit(self._event, addresses.client_id, scope))

    def _left_seconds(self) -> float:
        return self._resolver.lambda_context.get_remaining_time_in_millis() / 1000

    def _route(self, method: str, rule: str, answer: Callable[..., Response[str]]) -> None:
        self.routes.append((method, rule))
        self._resolver.route(rule, method)(answer)

    def _no_such_route(self, _: NotFoundError) -> Response[str]:
        request = self._resolver.current_event
        allowed = [method for method, rule in self.routes if _matches(rule, request.path)]
        if not allowed or request.http_method in allowed:
            # The second: an id with characters that no id has.
            return _problem(not_found("address"))
        return _problem(method_not_allowed(allowed))

    def _failed(self, error: Exception) -> Response[str]:
        """Every error's way out: a problem document."""
        if isinstance(error, Refusal):
            return _problem(error)
        request_id = self._resolver.lambda_context.aws_request_id
        if is_passing(error):
            logger.warning("a service did not answer", request_id=request_id, **describe(error))
            return _problem(unavailable())
        logger.error("a request failed", request_id=request_id, **describe(error))
        return _problem(internal(request_id))


def build_app(ports: Ports) -> App:
    """The API over these ports."""
    return App(ports)


def _json(status: int, answer: BaseModel, headers: dict[str, str] | None = None) -> Response[str]:
    """Fields without a value are left out, as the contracts do it."""
    return Response(status, JSON, answer.model_dump_json(exclude_none=True), headers)


def _problem(refusal: Refusal) -> Response[str]:
    document = problem_to_plain(refusal.problem)
    return Response(
        refusal.problem.status, PROBLEM_CONTENT_TYPE, json.dumps(document), refusal.headers
    )


def _events_text(page: EventsPage) -> str:
    """A page as JSON. An event is stored in the form that it travels in: it is not read again."""
    return (
        f'{{"job_id":"{page.job_id}","state":"{page.state.value}",'
        f'"events":[{",".join(page.events)}],'
        f'"next_after":{page.next_after},"done":{"true" if page.done else "false"}}}'
    )


def _job_id(text: str) -> str:
    if re.fullmatch(JOB_ID_PATTERN, text) is None:
        raise not_found("job")
    return text


def _conversation_id(text: str) -> str:
    if re.fullmatch(CONVERSATION_ID_PATTERN, text) is None:
        raise not_found("conversation")
    return text


def _matches(rule: str, path: str) -> bool:
    return re.fullmatch(re.sub("<[^>]+>", "[^/]+", rule), path) is not None
