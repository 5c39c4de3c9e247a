"""DynamoDB's expressions on items in typed JSON, in the forms that this project writes.

The emulator's short way and the tests' table in memory evaluate them with this. What DynamoDB
refuses raises `Refused`. Any other form raises `UnknownForm`: nothing here guesses its meaning.

An item is given as `get`: from a name to the attribute's value, None if there is none. The rules
are those of the DynamoDB Developer Guide, "Using expressions in DynamoDB".
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

_FIELDS: Final = (
    "ConditionExpression",
    "KeyConditionExpression",
    "ProjectionExpression",
    "UpdateExpression",
)
_NAME: Final = r"(#\w+|[A-Za-z_]\w*)"
_VALUE: Final = r"(:\w+)"
_COMPARISON: Final = re.compile(
    rf"{_NAME} (=|<>|<=?|>=?) {_VALUE}|{_NAME} (BETWEEN) {_VALUE} AND {_VALUE}"
)
_FUNCTION: Final = re.compile(
    rf"(begins_with)\({_NAME}, {_VALUE}\)|(attribute_(?:not_)?exists)\({_NAME}\)"
)
_JOINT: Final = re.compile(" (AND|OR) ")
_SET: Final = re.compile(f"{_NAME} = {_VALUE}")
_ADD: Final = re.compile(f"{_NAME} {_VALUE}")
_COMPARISONS: Final[dict[str, Callable[..., bool]]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "begins_with": str.startswith,
    "BETWEEN": lambda value, low, high: low <= value <= high,
}

Get = Callable[[str], Any]


class UnknownForm(NotImplementedError):
    """An expression of a form that is not known here."""


class Refused(Exception):
    """DynamoDB refuses the request, whatever the table holds; the text is its message."""


class DoesNotFit(Refused):
    """DynamoDB refuses the update because of what the item holds."""


class _Clause(NamedTuple):
    verb: str
    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Given:
    """What the placeholders in one request's expressions stand for."""

    names: Mapping[str, str]
    values: Mapping[str, Any]

    @classmethod
    def with_request(cls, request: Mapping[str, Any]) -> "Given":
        """Those of a request; raises `Refused` unless its expressions use all and no others."""
        used = {word for field in _FIELDS for word in _placeholders(request.get(field, ""))}
        names, values = (request.get(f"ExpressionAttribute{kind}") for kind in ("Names", "Values"))
        if {} in (names, values):
            raise Refused("ExpressionAttributeNames or ExpressionAttributeValues must not be empty")
        given = cls(names or {}, values or {})
        if unused := {*given.names, *given.values} - used:
            raise Refused(f"Value provided unused in expressions: keys: {sorted(unused)}")
        if missing := used - {*given.names, *given.values}:
            raise Refused(f"A name or value used in expression is not defined: {sorted(missing)}")
        return given

    def name(self, word: str) -> str:
        """The attribute's name, for itself or its placeholder."""
        return self.names[word] if word.startswith("#") else word


def holds(condition: str, get: Get, given: Given) -> bool:
    """Whether a ConditionExpression is true of an item; AND binds before OR."""
    return any(
        all(_is_true(clause, get, given) for clause in choice) for choice in _choices(condition)
    )


def key_range(
    condition: str, given: Given, partition_key: str, sort_key: str
) -> tuple[Any, Callable[[str], bool]]:
    """What a KeyConditionExpression selects: a partition, and a test of its sort keys."""
    (first, *more), *others = _choices(condition)
    if others or len(more) > 1 or given.name(first.name) != partition_key or first.verb != "=":
        raise UnknownForm(condition)
    partition = given.values[first.values[0]]
    if not more:
        return partition, lambda _: True
    (verb, name, words) = more[0]
    if given.name(name) != sort_key or verb not in _COMPARISONS or verb == "<>":
        raise Refused("Query key condition not supported")
    bounds = [given.values[word].get("S") for word in words]
    if None in bounds:
        raise Refused("Condition parameter type does not match schema type")
    if bounds != sorted(bounds):
        raise Refused("The BETWEEN operator requires upper bound to be at least lower bound")
    compare = _COMPARISONS[verb]
    return partition, lambda key: compare(key, *bounds)


def changed_names(update: str, given: Given) -> set[str]:
    """The attributes that an UpdateExpression changes."""
    names = [given.name(word) for part in _parts(update) for word, _ in part]
    if len(set(names)) < len(names):
        raise Refused("Invalid UpdateExpression: Two document paths overlap with each other")
    return set(names)


def changes(update: str, get: Get, given: Given) -> dict[str, Any]:
    """An item's new attributes; to ADD, a number that is not there counts as 0."""
    sets, adds = _parts(update)
    changed = {given.name(word): given.values[value] for word, value in sets}
    for word, value in adds:
        more, found = given.values[value], get(given.name(word)) or {"N": "0"}
        if more.keys() != {"N"}:
            raise UnknownForm(f"ADD {more}")
        if found.keys() != {"N"}:
            raise DoesNotFit("An operand in the update expression has an incorrect data type")
        changed[given.name(word)] = {"N": f"{_plain(found) + _plain(more):f}"}
    return changed


def projected(projection: str, given: Given) -> list[str]:
    """The names in a ProjectionExpression."""
    return [given.name(_checked(word.strip())) for word in projection.split(",")]


def _is_true(clause: _Clause, get: Get, given: Given) -> bool:
    found = get(given.name(clause.name))
    if not clause.values:
        return (found is None) is (clause.verb == "attribute_not_exists")
    wanted = [given.values[word] for word in clause.values]
    if clause.verb not in ("=", "<>") and any(value.keys() & {"BOOL", "NULL"} for value in wanted):
        raise Refused(f"Incorrect operand type for operator or function: {clause.verb}")
    if found is None or any(found.keys() != value.keys() for value in wanted):
        return clause.verb == "<>"
    return _COMPARISONS[clause.verb](_plain(found), *map(_plain, wanted))


@lru_cache(maxsize=1024)
def _choices(condition: str) -> list[list[_Clause]]:
    choices: list[list[_Clause]] = [[]]
    position = 0
    while True:
        if found := _COMPARISON.match(condition, position):
            name, verb, *values = filter(None, found.groups())
        elif found := _FUNCTION.match(condition, position):
            verb, name, *values = filter(None, found.groups())
        else:
            raise UnknownForm(condition)
        choices[-1].append(_Clause(verb, _checked(name), tuple(values)))
        if found.end() == len(condition):
            return choices
        joint = _JOINT.match(condition, found.end())
        if joint is None:
            raise UnknownForm(condition)
        if joint[1] == "OR":
            choices.append([])
        position = joint.end()


@lru_cache(maxsize=1024)
def _parts(update: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """What is set and what is added to; SET comes first."""
    sets, _, adds = f" {update}".partition(" ADD ")
    parts = []
    for text, form in ((sets.removeprefix(" SET "), _SET), (adds, _ADD)):
        found = [form.fullmatch(part) for part in text.split(", ")] if text else []
        parts.append([(_checked(each[1]), each[2]) for each in found if each])
        if None in found:
            raise UnknownForm(update)
    if not any(parts):
        raise UnknownForm(update)
    return parts[0], parts[1]


@lru_cache(maxsize=1024)
def _placeholders(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[#:]\w+", text))


def _plain(value: Mapping[str, Any]) -> Any:
    ((kind, bare),) = value.items()
    return Decimal(bare) if kind == "N" else bare


def _checked(word: str) -> str:
    if re.fullmatch(_NAME, word) is None:
        raise UnknownForm(word)
    if word.upper() in _reserved_words():
        raise Refused(f"Attribute name is a reserved keyword; reserved keyword: {word}")
    return word


@lru_cache(maxsize=1)
def _reserved_words() -> frozenset[str]:
    """AWS's list as moto keeps it; read as a file, because importing moto takes a second."""
    moto = find_spec("moto")
    if moto is None or moto.origin is None:
        raise RuntimeError("moto is not installed: install the local part's dependencies.")
    words = Path(moto.origin).with_name("dynamodb") / "parsing" / "reserved_keywords.txt"
    return frozenset(words.read_text(encoding="ascii").split())
