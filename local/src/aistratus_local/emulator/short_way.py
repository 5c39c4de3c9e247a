"""A fast path for the table's everyday calls, past most of moto.

A request to moto passes through Flask, botocore's parser, three expression parsers and a
serializer. That cost 3 ms of CPU per committed token and 1 ms per poll, while the engine wants
both cores. Here GetItem, PutItem, Query and TransactWriteItems go straight to moto's own tables,
provided that they have the form our programs send under load and that they succeed.

Moto handles everything else from the start: unknown words in a request or an expression, rarer
value types, conditions that fail. So all refusals come from one source.
"""

import json
import operator
import re
import uuid
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table
from moto.dynamodb.models.utilities import dynamo_json_dump
from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords
from moto.iam.models import get_account_id_from

from aistratus_local.emulator.tables import MAX_TRANSACTION_ITEMS, AtomicTables

# Well below AWS's limits (400 KB per item, 1 MB per page): calls near them go to moto.
MAX_ITEM_BYTES: Final = 390_000
MAX_PAGE_BYTES: Final = 900_000
MAX_KEY_BYTES: Final = 1024

_TARGET: Final = "DynamoDB_20120810."
_CREDENTIAL: Final = re.compile(r"Credential=([^/]+)/\d{8}/([a-z0-9-]+)/dynamodb/")
_INTEGER: Final = re.compile(r"0|-?[1-9]\d{0,36}")
_NAME: Final = r"(#?[A-Za-z_]\w*)"
_VALUE: Final = r"(:\w+)"
_EQUALS: Final = re.compile(f"{_NAME} = {_VALUE}")
_ABSENT: Final = re.compile(rf"attribute_not_exists\({_NAME}\)")
_COMPARES: Final = re.compile(f"{_NAME} (<|<=|>|>=) {_VALUE}")
_BETWEEN: Final = re.compile(rf"{_NAME} BETWEEN {_VALUE} AND {_VALUE}")
_BEGINS: Final = re.compile(rf"(begins_with)\({_NAME}, {_VALUE}\)")
_COMPARISONS: Final[dict[str, Callable[[str, str], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "begins_with": str.startswith,
}

_Where = tuple[DynamoType, DynamoType]
# None as the item deletes whatever is stored under the key.
_Write = tuple[Table, _Where, Item | None]


class _LongWay(Exception):
    """Moto must answer this request."""


def answer(headers: Mapping[str, str], body: bytes) -> tuple[dict[str, str], bytes] | None:
    """Headers and body of a 200; None, with nothing written, if moto must answer.

    `headers` are in WSGI's form: `HTTP_X_AMZ_TARGET` and so on.
    """
    kind, _, action = headers.get("HTTP_X_AMZ_TARGET", "").partition(".")
    act = _ACTIONS.get(action)
    if act is None or f"{kind}." != _TARGET:
        return None
    try:
        found = act(_backend(headers.get("HTTP_AUTHORIZATION", "")), json.loads(body))
    except (_LongWay, LookupError, TypeError, ValueError, ArithmeticError):
        return None
    text = dynamo_json_dump(found).encode()
    return {
        "Content-Type": "application/x-amz-json-1.0",
        "x-amzn-RequestId": str(uuid.uuid4()),
        "x-amz-crc32": str(zlib.crc32(text)),
    }, text


def _backend(authorization: str) -> AtomicTables:
    """The tables of the account and region in the request's signature."""
    signed = _CREDENTIAL.search(authorization)
    if signed is None:
        raise _LongWay
    backend = dynamodb_backends[get_account_id_from(signed[1])][signed[2]]
    if not isinstance(backend, AtomicTables):
        raise _LongWay
    return backend


# --- the calls ----------------------------------------------------------------------------


def _get_item(backend: AtomicTables, asked: dict[str, Any]) -> dict[str, Any]:
    _only(asked, "TableName", "Key", "ConsistentRead")
    table = _table(backend, asked)
    where = _where(table, asked["Key"])
    if len(asked["Key"]) != len(where):
        raise _LongWay
    with backend.lock:
        item = _lying(table, where)
    return {} if item is None else {"Item": item.attrs}


def _put_item(backend: AtomicTables, asked: dict[str, Any]) -> dict[str, Any]:
    with backend.lock:
        _apply([_put(_table(backend, asked), asked)])
    return {}


def _query(backend: AtomicTables, asked: dict[str, Any]) -> dict[str, Any]:
    _only(
        asked,
        "TableName",
        "ConsistentRead",
        "Limit",
        "ScanIndexForward",
        "KeyConditionExpression",
        *_NAMING,
    )
    table, words = _table(backend, asked), _Words(asked)
    is_in, *more = asked["KeyConditionExpression"].split(" AND ", 1)
    name, partition = _equals(is_in, words)
    bound = _range(more[0], words) if more else None
    words.all_used()
    if name != table.hash_key_attr or (bound is not None and bound[0] != table.range_key_attr):
        raise _LongWay
    with backend.lock:
        found: list[Any] = [
            (key.value, item)
            for key, item in table.items.get(partition, {}).items()
            if bound is None or bound[1](key.value)
        ]
    found.sort(key=operator.itemgetter(0), reverse=not asked.get("ScanIndexForward", True))
    items = [item for _, item in found]
    if len(items) >= asked.get("Limit", len(items) + 1):
        raise _LongWay
    if sum(item.size() for item in items) > MAX_PAGE_BYTES:
        raise _LongWay
    return {
        "Items": [item.attrs for item in items],
        "Count": len(items),
        "ScannedCount": len(items),
    }


def _transact_write_items(backend: AtomicTables, asked: dict[str, Any]) -> dict[str, Any]:
    _only(asked, "TransactItems", "ClientRequestToken")
    if len(asked["TransactItems"]) > MAX_TRANSACTION_ITEMS:
        raise _LongWay
    with backend.lock:
        writes = [_write(backend, item) for item in asked["TransactItems"]]
        if len({(table.name, where) for table, where, _ in writes}) < len(writes):
            raise _LongWay
        _apply(writes)
    return {}


_ACTIONS: Final[dict[str, Callable[[AtomicTables, dict[str, Any]], dict[str, Any]]]] = {
    "GetItem": _get_item,
    "PutItem": _put_item,
    "Query": _query,
    "TransactWriteItems": _transact_write_items,
}


# --- writes: check all, then apply all ----------------------------------------------------


def _write(backend: AtomicTables, item: dict[str, Any]) -> _Write:
    ((kind, operation),) = item.items()
    table = _table(backend, operation)
    if kind == "Put":
        return _put(table, operation)
    if kind == "Update":
        return _update(table, operation)
    if kind == "Delete":
        return _delete(table, operation)
    raise _LongWay


def _put(table: Table, operation: dict[str, Any]) -> _Write:
    _only(operation, "TableName", "Item", "ConditionExpression", *_NAMING)
    where = _where(table, operation["Item"])
    words = _Words(operation)
    _holds(operation, words, _lying(table, where))
    words.all_used()
    attributes = {name: _value(plain) for name, plain in operation["Item"].items()}
    if _index_keys(table) & attributes.keys():
        raise _LongWay
    return table, where, _item(where, attributes)


def _update(table: Table, operation: dict[str, Any]) -> _Write:
    _only(operation, "TableName", "Key", "ConditionExpression", "UpdateExpression", *_NAMING)
    where = _where(table, operation["Key"])
    old = _lying(table, where)
    if old is None or len(operation["Key"]) != len(where):
        raise _LongWay
    words = _Words(operation)
    _holds(operation, words, old)
    verb, _, assignments = operation["UpdateExpression"].partition(" ")
    parts = assignments.split(", ")
    changes = dict(_equals(part, words) for part in parts)
    words.all_used()
    keys = {table.hash_key_attr, table.range_key_attr} | _index_keys(table)
    if verb != "SET" or len(changes) < len(parts) or keys & changes.keys():
        raise _LongWay
    return table, where, _item(where, {**old.attrs, **changes})


def _delete(table: Table, operation: dict[str, Any]) -> _Write:
    _only(operation, "TableName", "Key")
    where = _where(table, operation["Key"])
    if len(operation["Key"]) != len(where):
        raise _LongWay
    return table, where, None


def _apply(writes: list[_Write]) -> None:
    """Replace items, never change them in place: a reader may be holding one."""
    for table, (partition, sort), item in writes:
        if item is not None:
            table.items[partition][sort] = item
        elif partition in table.items:
            table.items[partition].pop(sort, None)


# --- items and keys -----------------------------------------------------------------------


def _table(backend: AtomicTables, asked: dict[str, Any]) -> Table:
    table: Table = backend.tables[asked["TableName"]]
    if table.stream_shard is not None or table.hash_key_type != "S" or table.range_key_type != "S":
        raise _LongWay
    return table


def _where(table: Table, attributes: dict[str, Any]) -> _Where:
    names = (table.hash_key_attr, str(table.range_key_attr))
    partition, sort = (_value(attributes[name]) for name in names)
    for part in (partition, sort):
        if part.type != "S" or not 0 < part.size() <= MAX_KEY_BYTES:
            raise _LongWay
    return partition, sort


def _index_keys(table: Table) -> set[str]:
    """The key attributes of indexes; moto checks what values they may have."""
    names = {part["AttributeName"] for index in table.all_indexes() for part in index.schema}
    return names - {table.hash_key_attr, table.range_key_attr}


def _lying(table: Table, where: _Where) -> Item | None:
    """The stored item, read without letting moto create an empty partition."""
    found: Item | None = table.items.get(where[0], {}).get(where[1])
    return found


def _item(where: _Where, attributes: dict[str, DynamoType]) -> Item:
    item = Item(*where, {})
    # Its own setter measures the whole item again for each attribute.
    dict.update(item.attrs, attributes)
    if item.size() > MAX_ITEM_BYTES:
        raise _LongWay
    return item


def _value(plain: dict[str, Any]) -> DynamoType:
    ((kind, value),) = plain.items()
    is_plain = (
        (kind == "S" and type(value) is str)
        or (kind == "BOOL" and type(value) is bool)
        or (kind == "N" and _INTEGER.fullmatch(value) is not None)
    )
    if not is_plain:
        raise _LongWay
    return DynamoType(plain)


# --- expressions --------------------------------------------------------------------------

_NAMING: Final = ("ExpressionAttributeNames", "ExpressionAttributeValues")


@dataclass
class _Words:
    """One operation's placeholders for names and values, and those its expressions have used."""

    operation: dict[str, Any]
    used: set[str] = field(default_factory=set)

    def name(self, word: str) -> str:
        if word.startswith("#"):
            self.used.add(word)
            named: str = self.operation["ExpressionAttributeNames"][word]
            return named
        if _is_reserved(word):
            raise _LongWay
        return word

    def value(self, word: str) -> DynamoType:
        self.used.add(word)
        return _value(self.operation["ExpressionAttributeValues"][word])

    def all_used(self) -> None:
        given = [self.operation.get(kind) for kind in _NAMING]
        if {} in given or self.used != {word for words in given for word in words or ()}:
            raise _LongWay


@lru_cache(maxsize=1024)
def _is_reserved(word: str) -> bool:
    return word.upper() in ReservedKeywords.get_reserved_keywords()


def _only(asked: dict[str, Any], *known: str) -> None:
    if not asked.keys() <= set(known):
        raise _LongWay


def _holds(operation: dict[str, Any], words: _Words, item: Item | None) -> None:
    """Leave an unmet condition to moto; knows `a = :b` and `attribute_not_exists(a)`."""
    if "ConditionExpression" not in operation:
        return
    attributes: Mapping[str, DynamoType] = {} if item is None else item.attrs
    for part in operation["ConditionExpression"].split(" AND "):
        absent = _ABSENT.fullmatch(part)
        if absent is not None:
            holds = words.name(absent[1]) not in attributes
        else:
            name, value = _equals(part, words)
            holds = name in attributes and attributes[name] == value
        if not holds:
            raise _LongWay


def _equals(part: str, words: _Words) -> tuple[str, DynamoType]:
    found = _EQUALS.fullmatch(part)
    if found is None:
        raise _LongWay
    return words.name(found[1]), words.value(found[2])


def _range(part: str, words: _Words) -> tuple[str, Callable[[str], bool]]:
    """A condition on a sort key: the key's name, and a test of its value."""
    if found := _BETWEEN.fullmatch(part):
        name, *values = found.groups()
        first, last = (_text(words.value(value)) for value in values)
        return words.name(name), lambda value: first <= value <= last
    if found := _COMPARES.fullmatch(part):
        name, comparison, value = found.groups()
    elif found := _BEGINS.fullmatch(part):
        comparison, name, value = found.groups()
    else:
        raise _LongWay
    bound, compare = _text(words.value(value)), _COMPARISONS[comparison]
    return words.name(name), lambda value: compare(value, bound)


def _text(value: DynamoType) -> str:
    if value.type != "S":
        raise _LongWay
    text: str = value.value
    return text
