"""The document says what the router does."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator, meta

import aistratus_contracts
from aistratus_contracts.errors import JobErrorCode, NoticeCode
from aistratus_contracts.event import (
    EVENT_BODIES,
    Event,
    EventBody,
    JobError,
    Notice,
    StateChange,
    Usage,
    event_to_plain,
)
from aistratus_contracts.states import FinishReason, JobState
from aistratus_router.api.__main__ import main
from aistratus_router.api.openapi import document_text
from aistratus_router.api.prose import IDS, PROSE
from aistratus_router.api.routes import ROUTES
from aistratus_router.api.routing import ID_PATTERNS, Route
from support.event_samples import sample_body
from support.fake_world import FakeTime
from support.router_api import Api

OPERATE = "aistratus/operate"
FILE = Path(__file__).parents[2] / "docs" / "openapi.json"
TEXT = document_text(ROUTES)
DOCUMENT: dict[str, Any] = json.loads(TEXT)


def test_the_file_in_docs_is_this_document() -> None:
    written = FILE.read_text(encoding="utf-8")
    assert written == TEXT, (
        "docs/openapi.json is stale: run python -m aistratus_router.api docs/openapi.json"
    )


def test_the_document_can_be_written_to_a_file(tmp_path: Path) -> None:
    main([str(tmp_path / "openapi.json")])

    assert (tmp_path / "openapi.json").read_text(encoding="utf-8") == TEXT


def test_words_and_examples_are_loaded_for_the_document_alone() -> None:
    program = (
        "import sys; import aistratus_router.api.app; "
        "room = 'aistratus_router.api.'; "
        "assert not {room + 'openapi', room + 'prose'} & set(sys.modules)"
    )

    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_router_serves_the_document(quick_api: Api) -> None:
    reply = quick_api.call("GET", "/openapi.json", claims={})

    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
    assert reply.json == DOCUMENT


def test_the_document_has_exactly_the_declared_routes() -> None:
    described = {
        (method.upper(), path, operation["operationId"])
        for path, operations in DOCUMENT["paths"].items()
        for method, operation in operations.items()
    }

    assert described == {(route.method, route.path, route.name) for route in ROUTES}
    assert len(described) == len(ROUTES)


def test_no_words_are_left_of_a_route_that_is_gone() -> None:
    assert PROSE.keys() == {route.name for route in ROUTES}
    assert IDS.keys() == ID_PATTERNS.keys()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_what_a_route_declares_is_described(route: Route) -> None:
    operation = DOCUMENT["paths"][route.path][route.method.lower()]
    parameters = {(each["in"], each["name"]) for each in operation.get("parameters", [])}
    query = () if route.query is None else route.query.model_fields
    statuses = {int(status) for status in operation["responses"]}

    assert parameters == {("path", name) for name in route.ids} | {("query", n) for n in query}
    assert ("requestBody" in operation) is (route.body is not None)
    assert route.status in statuses
    for has_it, its_statuses in (
        (route.scope is not None, {401, 403}),
        (bool(route.ids), {404}),
        (route.body is not None, {400, 413, 415}),
        (True, {422, 429, 500, 503, 504}),
    ):
        assert not has_it or its_statuses <= statuses


def test_all_but_the_open_addresses_need_a_token() -> None:
    needs = {
        operation["operationId"]: operation["security"]
        for path in DOCUMENT["paths"].values()
        for operation in path.values()
    }
    public = {name for name, security in needs.items() if security == []}

    assert public == {"get_health", "get_openapi"}
    operators = {name for name, need in needs.items() if need == [{"signed_in": [OPERATE]}]}
    assert operators == {"set_fleet", "start_fleet", "stop_fleet"}
    signed_in = [{"signed_in": ["aistratus/infer"]}]
    assert all(needs[name] == signed_in for name in needs.keys() - public - operators)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_the_examples_are_right(route: Route) -> None:
    described = DOCUMENT["paths"][route.path][route.method.lower()]
    answer = described["responses"][str(route.status)].get("content", {})
    if route.answer is not None:
        content = answer["application/json"]
        validator(content["schema"]).validate(content["example"])
    for body in described.get("requestBody", {}).get("content", {}).values():
        for example in body["examples"].values():
            validator(body["schema"]).validate(example["value"])


@pytest.mark.parametrize(
    "body",
    [
        *[sample_body(aistratus_contracts, kind) for kind in EVENT_BODIES],
        *[StateChange(JobState.SUCCEEDED, reason) for reason in FinishReason],
        *[JobError(code, "Why.") for code in JobErrorCode],
        *[Notice(code, "What.") for code in NoticeCode],
    ],
)
def test_every_event_is_described(body: EventBody) -> None:
    event = event_to_plain(Event(1, 1, FakeTime().clock(), body))

    validator({"$ref": "#/components/schemas/EventOut"}).validate(event)


def test_an_event_holds_exactly_one_thing() -> None:
    event = event_to_plain(Event(1, 1, FakeTime().clock(), Usage(1, 0, 2)))
    check = validator({"$ref": "#/components/schemas/EventOut"})

    assert not check.is_valid({**event, "delta": {"text": "", "token_ids": []}})
    assert not check.is_valid({name: event[name] for name in ("v", "seq", "attempt", "at")})


def test_every_reference_leads_somewhere() -> None:
    references = set(re.findall(r'"#/components/schemas/(\w+)"', TEXT))

    assert references <= set(DOCUMENT["components"]["schemas"])
    for schema in DOCUMENT["components"]["schemas"].values():
        meta.validate(schema)


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    whole = {**schema, "components": DOCUMENT["components"]}
    return Draft202012Validator(whole, validate_formats=True)
