"""A fast path for the table's everyday calls, past most of moto.

A request to moto passes through Flask, botocore's parser, three expression parsers and a
serializer. That cost 3 ms of CPU per committed token and 1 ms per poll, while the engine wants
both cores. Here GetItem, PutItem, Query and TransactWriteItems go straight to moto's own tables,
provided that they have the form our programs send under load and that they succeed.

Moto handles everything else from the start: unknown words in a request, expressions that
`expressions` does not know, rarer value types, conditions that fail. So all refusals come from one
source.
"""

import json
import operator
import re
import uuid
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table
from moto.dynamodb.models.utilities import dynamo_json_dump
from moto.iam.models import get_account_id_from

from aistratus_local import expressions
from aistratus_local.emulator.request_tokens import IdempotentParameterMismatch
from aistratus_local.emulator.tables import MAX_TRANSACTION_ITEMS, AtomicTables
from aistratus_local.expressions import Given, Refused, UnknownForm

# Well below AWS's limits (400 KB an item, 1 MB a page, 4 MB a transaction): calls near them go to
# moto.
MAX_ITEM_BYTES: Final = 390_000
MAX_PAGE_BYTES: Final = 900_000
MAX_TRANSACTION_BYTES: Final = 3_900_000
MAX_KEY_BYTES: Final = 1024

_TARGET: Final = "DynamoDB_20120810."
_CREDENTIAL: Final = re.compile(r"Credential=([^/]+)/\d{8}/([a-z0-9-]+)/dynamodb/")
_INTEGER: Final = re.compile(r"0|-?[1-9]\d{0,36}")
_Where = tuple[DynamoType, DynamoType]
# None as the item deletes whatever is stored under the key.
_Write = tuple[Table, _Where, Item | None]


class _LongWay(Exception):
    """Moto must answer this request."""


_LEFT_TO_MOTO: Final = (
    _LongWay,
    UnknownForm,
    Refused,
    IdempotentParameterMismatch,
    LookupError,
    TypeError,
    ValueError,
    ArithmeticError,
)


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
    except _LEFT_TO_MOTO:
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
    table, given = _table(backend, asked), _given(asked)
    partition, is_in = expressions.key_range(
        asked["KeyConditionExpression"], given, table.hash_key_attr, str(table.range_key_attr)
    )
    with backend.lock:
        found: list[Any] = [
            (key.value, item)
            for key, item in table.items.get(_value(partition), {}).items()
            if is_in(key.value)
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
    token, items = asked.get("ClientRequestToken"), asked["TransactItems"]
    with backend.lock:
        if backend.tokens.is_done(token, items):
            return {}
        writes = [_write(backend, item) for item in items]
        if len({(table.name, where) for table, where, _ in writes}) < len(writes):
            raise _LongWay
        if len(writes) * MAX_ITEM_BYTES > MAX_TRANSACTION_BYTES and (
            sum(item.size() for _, _, item in writes if item) > MAX_TRANSACTION_BYTES
        ):
            raise _LongWay
        _apply(writes)
        backend.tokens.made(token, items)
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
    _check_condition(operation, _given(operation), _lying(table, where))
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
    given, text = _given(operation), operation["UpdateExpression"]
    _check_condition(operation, given, old)
    keys = {table.hash_key_attr, table.range_key_attr} | _index_keys(table)
    if keys & expressions.changed_names(text, given):
        raise _LongWay
    changes = expressions.changes(text, _reading(old), given)
    return table, where, _item(where, {**old.attrs, **{n: _value(v) for n, v in changes.items()}})


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


def _reading(item: Item | None) -> Callable[[str], dict[str, Any] | None]:
    """Reads an item of moto's as typed JSON."""

    def get(name: str) -> dict[str, Any] | None:
        found: DynamoType | None = None if item is None else item.attrs.get(name)
        return None if found is None else {found.type: found.value}

    return get


def _given(operation: dict[str, Any]) -> Given:
    given = Given.with_request(operation)
    for value in given.values.values():
        _value(value)
    return given


def _check_condition(operation: dict[str, Any], given: Given, item: Item | None) -> None:
    """Leave an unmet condition to moto."""
    text = operation.get("ConditionExpression")
    if text is not None and not expressions.holds(text, _reading(item), given):
        raise _LongWay


def _only(asked: dict[str, Any], *known: str) -> None:
    if not asked.keys() <= set(known):
        raise _LongWay
