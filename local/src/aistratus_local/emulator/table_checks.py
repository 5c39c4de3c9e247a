"""What moto lets pass in a request to DynamoDB, and AWS refuses with `ValidationException`.

Moto does not compare placeholders with their use in every call, nor keys with their types, and
compares whatever it is given. The rules are those of each operation's API reference.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from moto.dynamodb.exceptions import MockValidationException
from moto.dynamodb.models.table import Table
from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords

MAX_BATCH_WRITES: Final = 25
_EXPRESSIONS: Final = (
    "ConditionExpression",
    "FilterExpression",
    "KeyConditionExpression",
    "ProjectionExpression",
    "UpdateExpression",
)
_ORDERED: Final = re.compile(r"(?:<=?|>=?|BETWEEN) (:\w+)")
_BETWEEN: Final = re.compile(r"BETWEEN (:\w+) AND (:\w+)")
_CHANGED: Final = re.compile(r"(?:\bSET|\bADD|\bREMOVE|,) *(#?\w+)")
_ARGUMENTS: Final = re.compile(r"\([^()]*\)")


def check(body: dict[str, Any], find_table: Callable[[str], Table]) -> None:
    """Check a request to any operation on items."""
    for request in _requests(body):
        _check_placeholders(request)
        _check_values(request)
        if "TableName" in request:
            table = find_table(request["TableName"])
            _check_keys(request, table)
            _check_changes(request, table)


def _requests(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The parts of a request that have expressions of their own."""
    if "TransactItems" in body:
        for item in body["TransactItems"]:
            yield from item.values()
    elif "RequestItems" in body:
        for asked in body["RequestItems"].values():
            if isinstance(asked, dict):
                yield asked
            elif len(asked) > MAX_BATCH_WRITES:
                raise MockValidationException("Too many items requested for BatchWriteItem")
    else:
        yield body


def _check_placeholders(request: dict[str, Any]) -> None:
    text = " ".join(request[field] for field in _EXPRESSIONS if request.get(field))
    used = set(re.findall(r"[#:]\w+", text))
    given = {
        *(request.get("ExpressionAttributeNames") or ()),
        *(request.get("ExpressionAttributeValues") or ()),
    }
    if used != given:
        raise MockValidationException(
            f"Names or values unused or not defined in expressions: {sorted(used ^ given)}"
        )


def _check_values(request: dict[str, Any]) -> None:
    values = request.get("ExpressionAttributeValues") or {}
    for field in ("ConditionExpression", "KeyConditionExpression"):
        text = request.get(field) or ""
        for word in _ORDERED.findall(text):
            if values[word].keys() & {"BOOL", "NULL"}:
                raise MockValidationException(f"Incorrect operand type: {values[word]}")
    condition = request.get("KeyConditionExpression") or ""
    if "<>" in condition:
        raise MockValidationException("Invalid operator used in KeyConditionExpression: <>")
    for low, high in _BETWEEN.findall(condition):
        if "S" in values[low] and values[low]["S"] > values[high].get("S", ""):
            raise MockValidationException(
                "The BETWEEN operator requires upper bound to be at least lower bound"
            )


def _check_changes(request: dict[str, Any], table: Table) -> None:
    """Moto looks at the condition first, and says that it does not hold."""
    update = _ARGUMENTS.sub("", request.get("UpdateExpression") or "")
    names = request.get("ExpressionAttributeNames") or {}
    changed = [names.get(word, word) for word in _CHANGED.findall(update)]
    if len(set(changed)) < len(changed):
        raise MockValidationException(
            "Invalid UpdateExpression: Two document paths overlap with each other"
        )
    for word, name in zip(_CHANGED.findall(update), changed, strict=True):
        if word.upper() in ReservedKeywords.get_reserved_keywords():
            raise MockValidationException(
                f"Invalid UpdateExpression: Attribute name is a reserved keyword: {word}"
            )
        if name in {each["AttributeName"] for each in table.schema}:
            raise MockValidationException(
                f"Cannot update attribute {name}. This attribute is part of the key"
            )


def _check_keys(request: dict[str, Any], table: Table) -> None:
    types = {each["AttributeName"]: each["AttributeType"] for each in table.attr}
    index = request.get("IndexName")
    if index is not None and index not in {each.name for each in table.all_indexes()}:
        raise MockValidationException(f"The table does not have the specified index: {index}")
    for name, value in {**(request.get("Key") or {}), **(request.get("Item") or {})}.items():
        if name in types and (types[name] not in value or value[types[name]] == ""):
            raise MockValidationException(f"Type mismatch for key {name}, or an empty value")
