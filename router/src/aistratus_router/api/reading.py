"""A request's body and query, read strictly: what is not understood is refused by name.

Powertools does the routing, but its validation is not used. It runs before any middleware, so
before the caller is known. It takes a list's first element for the body, accepts unknown query
parameters and `wait=+1`, and fails on deep nesting and endless numbers. It also slows the start.
The models are Pydantic's either way, and `openapi` builds the document from them.
"""

import base64
import binascii
import gc
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NoReturn, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError

from aistratus_contracts.limits import MAX_BODY_BYTES
from aistratus_contracts.problem import FieldError
from aistratus_router.wire.formats import FORMAT_TYPES
from aistratus_router.wire.problems import (
    body_too_large,
    invalid_json,
    invalid_request,
    unsupported_media_type,
)

MAX_ERRORS: Final = 20
MAX_ECHOED_CHARS: Final = 80
# Python's int() is quadratic in the number of digits; no field of ours is longer than this.
MAX_INTEGER_DIGITS: Final = 20
# A schema of 16 KiB, the largest object accepted, has fewer names. Pydantic would make an error of
# each unknown name, and those errors cost more than parsing does.
MAX_NAMES: Final = 4096
# No route has this many parameters.
MAX_QUERY_FIELDS: Final = 20

M = TypeVar("M", bound=BaseModel)


def read_body(event: Mapping[str, Any], model: type[M]) -> M:
    """The JSON body as `model`; refuses with 400, 413, 415 or 422."""
    _check_content_type(event)
    document = parse_json(_body_bytes(event))
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise invalid_request(_field_errors(error, json_pointer)) from None


def read_query(event: Mapping[str, Any], model: type[M]) -> M:
    """The query string as `model`; unknown and repeated names are refused with 422."""
    query: dict[str, str] = {}
    try:
        pairs = parse_qsl(
            event.get("rawQueryString") or "",
            keep_blank_values=True,
            max_num_fields=MAX_QUERY_FIELDS,
        )
    except ValueError:
        sentence = f"Give {MAX_QUERY_FIELDS} parameters at most."
        raise invalid_request([FieldError("?", sentence)]) from None
    for name, value in pairs:
        if name in query:
            raise invalid_request([FieldError(_query_field((name,)), "Give it once only.")])
        query[name] = value
    try:
        return model.model_validate(query)
    except ValidationError as error:
        raise invalid_request(_field_errors(error, _query_field)) from None


def parse_json(body: bytes) -> Any:
    """One JSON document in UTF-8: no NaN or Infinity, no key twice; refuses with 400."""
    if not body.strip():
        raise invalid_json("The body is empty; send a JSON object.")
    try:
        with _collector_at_rest():
            return json.loads(
                body.decode("utf-8"),
                parse_constant=_no_constant,
                parse_int=_integer,
                object_pairs_hook=_object,
            )
    except UnicodeDecodeError:
        raise invalid_json("The body is not UTF-8 text; encode it as UTF-8.") from None
    except json.JSONDecodeError as error:
        raise invalid_json(
            f"The body is not JSON: it cannot be read on from line {error.lineno}, "
            f"column {error.colno}."
        ) from None
    except RecursionError:
        raise invalid_json("The body is nested too deeply; nothing here needs that.") from None


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Pause the garbage collector for the length of a block.

    A body can hold 130,000 lists. They form no cycles, but every few hundred of them the collector
    would search for some, at times in everything that the process holds. That took six times as
    long as parsing. Pausing is safe: a function answers one request at a time.
    """
    was_at_work = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_at_work:
            gc.enable()


def json_pointer(location: Sequence[object]) -> str:
    """RFC 6901: `("messages", 0, "role")` → `/messages/0/role`; the whole document is ``""``."""
    return "".join(
        "/" + _echo(str(part)).replace("~", "~0").replace("/", "~1") for part in location
    )


def _check_content_type(event: Mapping[str, Any]) -> None:
    headers: Mapping[str, Any] = event.get("headers") or {}
    given = next((str(v) for k, v in headers.items() if k.lower() == "content-type"), "")
    media_type, *parameters = (part.strip().lower() for part in given.split(";"))
    if not given:
        return
    charsets = {p.partition("=")[2].strip('" ') for p in parameters if p.startswith("charset=")}
    if media_type != "application/json" or not charsets <= {"utf-8", "utf8"}:
        raise unsupported_media_type()


def _body_bytes(event: Mapping[str, Any]) -> bytes:
    text: str = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        # Lone surrogates cannot come from the wire; if they do, they fail as "not UTF-8".
        body = text.encode("utf-8", "surrogatepass")
    elif len(text) > MAX_BODY_BYTES * 4 // 3 + 4:
        raise body_too_large(MAX_BODY_BYTES)
    else:
        try:
            body = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise invalid_json("The body is not the base64 that it says it is.") from None
    if len(body) > MAX_BODY_BYTES:
        raise body_too_large(MAX_BODY_BYTES)
    return body


def _no_constant(name: str) -> NoReturn:
    raise invalid_json(f"{name} is not JSON; use a finite number.")


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= MAX_INTEGER_DIGITS else float(digits)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_NAMES:
        sentence = f"It has an object of {len(pairs)} names; none here takes more than {MAX_NAMES}."
        raise invalid_request([FieldError("", sentence)])
    document = dict(pairs)
    if len(document) != len(pairs):
        raise invalid_json(f"The body has the key {_echo(_repeated(pairs))!r} twice; say it once.")
    return document


def _repeated(pairs: list[tuple[str, Any]]) -> str:
    """The first repeated name, found in one pass: a body can have thousands of names."""
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return name
        seen.add(name)
    raise AssertionError("no name comes twice")


def _field_errors(error: ValidationError, name_of: Any) -> list[FieldError]:
    return [
        _field_error(detail["type"], _in_document(detail["loc"]), detail["msg"], name_of)
        for detail in error.errors(include_url=False, include_input=False, include_context=False)[
            :MAX_ERRORS
        ]
    ]


def _field_error(kind: str, place: tuple[object, ...], message: str, name_of: Any) -> FieldError:
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        # Pydantic's own sentence repeats what was sent, however long that is.
        place, message = (*place, "type"), f"Ask for one of: {', '.join(FORMAT_TYPES)}"
    return FieldError(name_of(place), f"{message.removeprefix('Value error, ').rstrip('.')}.")


def _in_document(location: tuple[object, ...]) -> tuple[object, ...]:
    """A location without what Pydantic adds to it: a union's member, and the mark of a key.

    Only fields known to have such marks lose them: a caller's own name may look like one.
    """
    match location:
        case ("response_format", _, *rest):
            return ("response_format", *rest)
        case ("logit_bias", token, _):
            return ("logit_bias", token)
        case _:
            return location


def _query_field(location: Sequence[object]) -> str:
    return "?" + _echo(str(location[0]))


def _echo(text: str) -> str:
    """A caller's text, shortened and encodable, to quote in an answer."""
    short = text if len(text) <= MAX_ECHOED_CHARS else text[: MAX_ECHOED_CHARS - 1] + "…"
    return short.encode("utf-8", "replace").decode()
