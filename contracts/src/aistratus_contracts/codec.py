"""JSON encoding and decoding for frozen dataclasses, with an explicit version.

One set of rules for every type. Writers write exactly what their release declares. Readers skip
unknown fields; every field without a default must be present, values must have the declared type,
and times are RFC 3339 in UTC. An unknown version raises `UnknownVersion`.
docs/adr/0021-a-wire-that-can-grow.md says which changes need a new version.
"""

import dataclasses
import json
import types
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from typing import Any, Final, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from aistratus_contracts.errors import (
    Malformed,
    MissingField,
    UnknownVersion,
    WrongType,
)

VERSION_KEY: Final = "v"
T = TypeVar("T")


def format_time(moment: datetime) -> str:
    """RFC 3339, UTC, milliseconds: `2026-11-23T10:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """The reverse of `format_time`; raises ValueError for a time without a zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time needs a zone")
    return moment.astimezone(UTC)


def to_plain(value: object) -> Any:
    """A JSON-ready copy of a dataclass, without a version. Fields that are None are left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: to_plain(item)
            for field in dataclasses.fields(value)
            if (item := getattr(value, field.name)) is not None
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    return value


def from_plain(cls: type[T], document: object) -> T:
    """A dataclass from its JSON-ready form; raises a `ContractError` that names the field."""
    name = cls.__name__
    if not isinstance(document, dict):
        raise Malformed(name)
    values: dict[str, Any] = {}
    # A type is hashable, which mypy does not see.
    for key, (convert, is_required) in _fields(cast(Any, cls)).items():
        if key in document:
            values[key] = convert(name, key, document[key])
        elif is_required:
            raise MissingField(name, key)
    return cls(**values)


def encode(value: object, version: int) -> str:
    """A document as compact JSON text, its version first."""
    return dumps({VERSION_KEY: version, **to_plain(value)})


def decode(cls: type[T], text: str | bytes, version: int, unsaid: int | None = None) -> T:
    """The reverse of `encode`; raises a `ContractError` for anything but that version."""
    name = cls.__name__
    return from_plain(cls, strip_version(name, parse(name, text), version, unsaid))


def parse(type_name: str, text: str | bytes) -> Any:
    """JSON text as Python values; raises `Malformed`."""
    try:
        return json.loads(text)
    except ValueError:
        raise Malformed(type_name) from None


def strip_version(
    type_name: str, document: object, version: int, unsaid: int | None = None
) -> dict[str, Any]:
    """The fields of a parsed document, with the version checked and removed.

    `unsaid` is the version of a document that names none; without it, every document must name one.
    """
    if not isinstance(document, dict):
        raise Malformed(type_name)
    found = document.get(VERSION_KEY, unsaid)
    if found is None and VERSION_KEY not in document:
        raise MissingField(type_name, VERSION_KEY)
    if type(found) is not int:
        raise WrongType(type_name, VERSION_KEY, "a whole number", found)
    if found != version:
        raise UnknownVersion(type_name, found)
    return {key: item for key, item in document.items() if key != VERSION_KEY}


def dumps(document: object) -> str:
    """JSON as everything here writes it: compact, UTF-8, no NaN."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def text_bytes(text: str) -> int:
    """How many bytes a text takes in a document that `dumps` writes, escapes included.

    A character takes up to six bytes, so limits on what is stored or sent count with this.
    """
    return len(dumps(text).encode()) - len('""')


_Convert = Callable[[str, str, Any], Any]


@cache
def _fields(cls: Any) -> dict[str, tuple[_Convert, bool]]:
    hints = get_type_hints(cls)
    return {
        field.name: (
            _converter(hints[field.name]),
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
        )
        for field in dataclasses.fields(cls)
    }


def _converter(hint: Any) -> _Convert:
    """How to read one annotation; the set is small on purpose."""
    if get_origin(hint) in (Union, types.UnionType):
        (inner,) = (part for part in get_args(hint) if part is not type(None))
        convert = _converter(inner)
        return lambda name, key, item: None if item is None else convert(name, key, item)
    if get_origin(hint) is tuple:
        convert_item = _converter(get_args(hint)[0])

        def convert_list(name: str, key: str, item: Any) -> Any:
            if not isinstance(item, list):
                raise WrongType(name, key, "a list", item)
            return tuple(convert_item(name, key, part) for part in item)

        return convert_list
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        dataclass_type: type[Any] = hint
        return lambda name, key, item: from_plain(dataclass_type, item)
    if isinstance(hint, type) and issubclass(hint, Enum):
        enum_type: type[Enum] = hint
        return lambda name, key, item: _enum(enum_type, name, key, item)
    if hint is datetime:
        return _time
    if hint is float:
        return _number
    if hint in (str, int, bool):
        return lambda name, key, item: _exact(hint, name, key, item)
    raise TypeError(f"the codec has no rule for {hint!r}")


def _exact(wanted: type, name: str, key: str, item: Any) -> Any:
    if type(item) is not wanted:
        raise WrongType(name, key, wanted.__name__, item)
    return item


def _number(name: str, key: str, item: Any) -> float:
    if isinstance(item, bool) or not isinstance(item, int | float):
        raise WrongType(name, key, "a number", item)
    return float(item)


def _enum(enum_type: type[Enum], name: str, key: str, item: Any) -> Enum:
    try:
        return enum_type(item)
    except ValueError:
        choices = ", ".join(str(member.value) for member in enum_type)
        raise WrongType(name, key, f"one of {choices}", item) from None


def _time(name: str, key: str, item: Any) -> datetime:
    try:
        return parse_time(item)
    except (TypeError, ValueError):
        raise WrongType(name, key, "an RFC 3339 time", item) from None
