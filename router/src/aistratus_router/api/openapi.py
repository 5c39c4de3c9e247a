"""The OpenAPI 3.1 document, built from the models that check requests and write answers.

`python -m aistratus_router.api.openapi FILE` writes it; the router serves the same at
/openapi.json.
"""

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from aistratus_contracts.problem import PROBLEM_CONTENT_TYPE
from aistratus_contracts.registry import Scope
from aistratus_router import VERSION
from aistratus_router.api.prose import IDS, PROSE, Prose, retry_after
from aistratus_router.api.routes import ROUTES
from aistratus_router.api.routing import ID_PATTERNS, Route
from aistratus_router.wire import responses
from aistratus_router.wire.strict import Strict

JSON: Final = "application/json"
SCHEME: Final = "signed_in"
REFERENCE: Final = "#/components/schemas/{model}"

_DESCRIPTION: Final = """\
Your own language model: send a prompt, get a job, read its events.

All times are RFC 3339 in UTC. Errors are RFC 9457 problem documents with a stable `code`, except \
for those that the gateway gives itself. Another user's job or conversation answers 404. Unknown \
fields and query parameters are refused with 422.

Some rules are beyond a schema: the order of roles in `messages`, that `max_tokens` leaves room \
in the model's context, that `model` is one of `GET /models`, and how many bytes a schema or a \
grammar has. What breaks them gets 422 with \
the field's name."""

_REFUSALS: Final[dict[int, str]] = {
    400: "The body cannot be read: it is empty, not UTF-8, not JSON, or has a key twice.",
    401: "No access token of this service.",
    403: "The token lacks the scope.",
    404: "Not there, or another user's.",
    409: "It contradicts what is there; `code` says how.",
    413: "The body is larger than 256 KiB.",
    415: "The body says that it is not JSON.",
    422: "Fields or query parameters are wrong; `errors` names them.",
    429: "Too much at once: `code` says of what, or the gateway slows you down.",
    500: "Something went wrong in the service.",
    503: "Try again after `Retry-After` seconds.",
    504: "The service took too long.",
}
# Who sends it: the service as a problem document, the gateway in its own form, or either.
_BY_GATEWAY: Final = {401, 403, 413, 429, 500, 503, 504}
_BY_SERVICE: Final = set(_REFUSALS) - {504}
_ALWAYS: Final = (422, 429, 500, 503, 504)


@cache
def document_text() -> str:
    """The document as JSON text."""
    return json.dumps(document(), ensure_ascii=False, indent=2) + "\n"


def document() -> dict[str, Any]:
    """The document."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Aistratus",
            "version": VERSION,
            "summary": "Your own language model on your own account.",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The deployment that serves this document"}],
        "tags": [
            {"name": "jobs", "description": "Prompts and their answers."},
            {"name": "conversations", "description": "What was said before."},
            {"name": "fleet", "description": "The GPU instances."},
            {"name": "service", "description": "The service itself."},
        ],
        "paths": paths,
        "components": {
            "securitySchemes": {SCHEME: _security_scheme()},
            "schemas": _schemas(),
        },
    }


def _security_scheme() -> dict[str, Any]:
    scopes = " and ".join(f"`{scope.value}`" for scope in Scope)
    return {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": (
            "An access token (not an ID token) from the deployment's managed login: OAuth 2.0 "
            f"authorization code with PKCE (S256). The scopes are {scopes}; each operation names "
            "the one that it needs."
        ),
    }


def _operation(route: Route) -> dict[str, Any]:
    prose = PROSE[route.name]
    described: dict[str, Any] = {
        "operationId": route.name,
        "tags": [prose.tag],
        "summary": str(route.handler.__doc__).removesuffix("."),
        "description": prose.description,
        "security": [] if route.scope is None else [{SCHEME: [route.scope.value]}],
    }
    parameters = [_path_parameter(name) for name in route.ids]
    if route.query is not None:
        parameters += _query_parameters(route.query)
    if parameters:
        described["parameters"] = parameters
    if route.body is not None:
        content = {"schema": _reference(route.body), "examples": prose.body_examples}
        described["requestBody"] = {"required": True, "content": {JSON: content}}
    described["responses"] = {
        str(route.status): _answer(route, prose),
        **{str(status): _refusal(status) for status in sorted({*route.refusals, *_ALWAYS})},
    }
    return described


def _path_parameter(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": IDS[name]["description"],
        "schema": {"type": "string", "pattern": ID_PATTERNS[name]},
        "example": IDS[name]["example"],
    }


def _query_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    parameters = []
    for name, schema in model.model_json_schema().get("properties", {}).items():
        plain = _tidy(schema)
        parameters.append(
            {
                "name": name,
                "in": "query",
                "required": False,
                "description": plain.pop("description"),
                "schema": _without_null(plain),
            }
        )
    return parameters


def _answer(route: Route, prose: Prose) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": prose.answers}
    if prose.headers:
        answer["headers"] = prose.headers
    if route.answer is not None:
        answer["content"] = {JSON: {"schema": _reference(route.answer), "example": prose.example}}
    elif route.status != 204:
        answer["content"] = {JSON: {"schema": {"type": "object"}}}
    if prose.links:
        answer["links"] = prose.links
    return answer


def _refusal(status: int) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if status in _BY_SERVICE:
        content[PROBLEM_CONTENT_TYPE] = {"schema": _reference(responses.ProblemOut)}
    if status in _BY_GATEWAY:
        content[JSON] = {"schema": _reference(responses.GatewayError)}
    refusal: dict[str, Any] = {"description": _REFUSALS[status], "content": content}
    if status == 401:
        refusal["headers"] = {
            "WWW-Authenticate": {
                "description": "`Bearer`, with what is wrong with the token.",
                "schema": {"type": "string"},
            }
        }
    if status in (429, 503):
        refusal["headers"] = {
            "Retry-After": retry_after("Seconds; from the service, not from the gateway.")
        }
    return refusal


def _schemas() -> dict[str, Any]:
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        (responses.ProblemOut, "serialization"),
        (responses.GatewayError, "serialization"),
    ]
    for route in ROUTES:
        if route.body is not None:
            wanted.append((route.body, "validation"))
        if route.answer is not None:
            wanted.append((route.answer, "serialization"))
    _, definitions = models_json_schema(wanted, ref_template=REFERENCE)
    requested = {model.__name__ for model in Strict.__subclasses__()}
    return {
        name: _tidy(schema) if name in requested else _without_null(_tidy(schema))
        for name, schema in sorted(definitions["$defs"].items())
    }


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": REFERENCE.format(model=model.__name__)}


def _tidy(schema: Any) -> Any:
    """A schema without the titles that Pydantic makes from names, and without null defaults."""
    if isinstance(schema, list):
        return [_tidy(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    tidy: dict[str, Any] = {}
    for name, part in schema.items():
        if (name == "title" and isinstance(part, str)) or (name == "default" and part is None):
            continue
        if name == "description":
            tidy[name] = " ".join(part.split())
        elif name == "properties":
            tidy[name] = {key: _tidy(value) for key, value in part.items()}
        else:
            tidy[name] = _tidy(part)
    return tidy


def _without_null(schema: Any) -> Any:
    """A schema without null: answers leave out what does not apply, and a query cannot say null."""
    if isinstance(schema, list):
        return [_without_null(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: _without_null(part) for name, part in schema.items()}
    choices = [part for part in plain.get("anyOf", ()) if part != {"type": "null"}]
    if len(choices) == 1:
        del plain["anyOf"]
        plain.update(choices[0])
    return plain


def main(arguments: list[str]) -> None:
    """Write the document to a file."""
    (path,) = arguments
    Path(path).write_text(document_text(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
