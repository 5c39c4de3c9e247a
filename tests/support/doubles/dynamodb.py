"""One DynamoDB table in memory, with the contracts' schema.

It refuses what DynamoDB refuses, with the same codes. A request that it does not understand raises
`NotImplementedError`: then it must be taught.

Sources: the API reference of each operation; in the Developer Guide, "Quotas in Amazon DynamoDB"
and "DynamoDB item sizes and formats".
"""

import operator
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from aistratus_contracts.table import PARTITION_KEY, RECENCY_ATTRIBUTE, RECENCY_INDEX, SORT_KEY
from aistratus_local import expressions
from aistratus_local.expressions import DoesNotFit, Given, Refused
from support.doubles.aws import error, forget

MAX_ITEM_BYTES: Final = 400 * 1024
MAX_KEY_BYTES: Final = {PARTITION_KEY: 2048, SORT_KEY: 1024}
MAX_PAGE_BYTES: Final = 2**20
MAX_TRANSACTION_ITEMS: Final = 100
MAX_TRANSACTION_BYTES: Final = 4 * 2**20
MAX_BATCH_WRITES: Final = 25
MAX_BATCH_GETS: Final = 100
# How long a transaction that is sent again with its token is answered as done.
TOKEN_SECONDS: Final = 600.0

_NAMING: Final = frozenset({"TableName", "ExpressionAttributeNames", "ExpressionAttributeValues"})
_READ: Final = _NAMING | {"ConsistentRead", "ProjectionExpression"}
_QUERY: Final = _READ | {
    "ExclusiveStartKey",
    "IndexName",
    "KeyConditionExpression",
    "Limit",
    "ScanIndexForward",
}
_CHANGE: Final = _NAMING | {"ConditionExpression", "ReturnValuesOnConditionCheckFailure"}
_WRITES: Final = {
    "Put": _CHANGE | {"Item"},
    "Update": _CHANGE | {"Key", "UpdateExpression"},
    "Delete": _CHANGE | {"Key"},
}

Item = dict[str, Any]
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Write:
    """What one item was, and what it is now; None if there is none."""

    key: Key
    old: Item | None
    new: Item | None


@dataclass
class Table:
    """The table, and each request to it.

    `keeps_tokens`: whether it remembers the tokens of transactions. Without, a repeated transaction
    fails its own condition, as on AWS once something has gone wrong with the token.
    `page_items`: a page's most items; AWS promises only that there is a next page.
    `committed` gets each transaction's sender and all of its writes at once.
    """

    name: str
    monotonic: Callable[[], float] = time.monotonic
    keeps_tokens: bool = True
    page_items: int | None = None
    committed: Callable[[str, list[Write]], None] = lambda by, writes: None
    items: dict[Key, Item] = field(default_factory=dict)
    _tokens: dict[str, tuple[float, list[Item]]] = field(default_factory=dict)

    def handle(self, operation: str, call: Item, by: str = "") -> Item:
        """Answer one request; raises `ClientError`."""
        try:
            match operation:
                case "GetItem":
                    return self._get(call)
                case "BatchGetItem":
                    return self._batch_get(call)
                case "Query":
                    return self._query(call)
                case "PutItem" | "UpdateItem" | "DeleteItem":
                    return self._write(operation.removesuffix("Item"), call, by)
                case "BatchWriteItem":
                    return self._batch_write(call, by)
                case "TransactWriteItems":
                    return self._transact(call, by)
        except Refused as refusal:
            raise error("ValidationException", str(refusal)) from refusal
        raise NotImplementedError(operation)

    def partition(self, pk: str, prefix: str = "") -> list[Item]:
        """The items under a partition key, in order."""
        keys = [key for key in self.items if key[0] == pk and key[1].startswith(prefix)]
        return [self.items[key] for key in sorted(keys)]

    # --- reads ---

    def _get(self, call: Item) -> Item:
        self._check_known(call, _READ | {"Key"})
        item, shown = self.items.get(_key(call["Key"], alone=True)), _projection(call)
        return {} if item is None else {"Item": shown(item)}

    def _batch_get(self, call: Item) -> Item:
        ((name, asked),) = call["RequestItems"].items()
        self._check_known({"TableName": name, **asked}, _READ | {"Keys"})
        keys = [_key(key, alone=True) for key in asked["Keys"]]
        _check_batch(keys, MAX_BATCH_GETS)
        shown = _projection(asked)
        found = [shown(self.items[key]) for key in keys if key in self.items]
        return {"Responses": {name: found}, "UnprocessedKeys": {}}

    def _query(self, call: Item) -> Item:
        self._check_known(call, _QUERY)
        given, condition = Given.with_request(call), call["KeyConditionExpression"]
        shown = _projection(call)
        if call.get("IndexName") not in (None, RECENCY_INDEX):
            raise Refused("The table does not have the specified index")
        sort_key = RECENCY_ATTRIBUTE if "IndexName" in call else SORT_KEY
        partition, is_in = expressions.key_range(condition, given, PARTITION_KEY, sort_key)
        found = [
            ((item[sort_key]["S"], key[1]), item)
            for key, item in self.items.items()
            if key[0] == partition.get("S") and sort_key in item and is_in(item[sort_key]["S"])
        ]
        is_forward = call.get("ScanIndexForward", True)
        if (start := call.get("ExclusiveStartKey")) is not None:
            place = start[sort_key]["S"], start[SORT_KEY]["S"]
            is_after = operator.gt if is_forward else operator.lt
            found = [each for each in found if is_after(each[0], place)]
        found.sort(key=operator.itemgetter(0), reverse=not is_forward)
        taken, is_cut = self._page([item for _, item in found], call.get("Limit"))
        page: Item = {"Items": [shown(item) for item in taken]}
        if is_cut:
            names = {PARTITION_KEY, SORT_KEY, sort_key}
            page["LastEvaluatedKey"] = {name: taken[-1][name] for name in names}
        return {**page, "Count": len(taken), "ScannedCount": len(taken)}

    def _page(self, found: list[Item], limit: int | None) -> tuple[list[Item], bool]:
        """The first page, and whether there may be another: full by its limit, it does not look."""
        if limit is not None and limit < 1:
            raise Refused("Limit must be at least 1")
        taken: list[Item] = []
        size = 0
        for item in found:
            size += size_of(item)
            if len(taken) in (limit, self.page_items) or (taken and size > MAX_PAGE_BYTES):
                return taken, True
            taken.append(item)
        return taken, len(taken) == limit

    # --- writes: check all, then apply all ---

    def _write(self, kind: str, call: Item, by: str) -> Item:
        wanted = call.get("ReturnValues", "NONE")
        if wanted != "NONE" and (kind, wanted) != ("Delete", "ALL_OLD"):
            raise NotImplementedError(f"ReturnValues={wanted}")
        request = {name: value for name, value in call.items() if name != "ReturnValues"}
        try:
            write = self._change(kind, request).made()
        except _Failed as failed:
            if failed.reason["Code"] == "ValidationError":
                raise Refused(failed.reason["Message"]) from failed
            more = {name: value for name, value in failed.reason.items() if name == "Item"}
            raise error("ConditionalCheckFailedException", str(failed), **more) from failed
        self._apply([write], by)
        return {"Attributes": write.old} if write.old and wanted == "ALL_OLD" else {}

    def _batch_write(self, call: Item, by: str) -> Item:
        ((name, requests),) = call["RequestItems"].items()
        changes = [
            self._change(kind.removesuffix("Request"), {"TableName": name, **what})
            for request in requests
            for kind, what in request.items()
        ]
        _check_batch([change.key for change in changes], MAX_BATCH_WRITES)
        for change in changes:
            self._apply([change.made()], by)
        return {"UnprocessedItems": {}}

    def _transact(self, call: Item, by: str) -> Item:
        asked, token = call["TransactItems"], call.get("ClientRequestToken", "")
        if not 1 <= len(asked) <= MAX_TRANSACTION_ITEMS:
            raise Refused(f"Member must have length of 1 to {MAX_TRANSACTION_ITEMS}")
        forget(self._tokens, self.monotonic() - TOKEN_SECONDS)
        if token in self._tokens:
            if self._tokens[token][1] == asked:
                return {}
            raise error("IdempotentParameterMismatchException", "The token had another request.")
        changes = [self._change(kind, each) for item in asked for kind, each in item.items()]
        if len({change.key for change in changes}) < len(asked):
            raise Refused("Transaction request cannot include multiple operations on one item")
        writes: list[Write] = []
        reasons: list[Item] = []
        for change in changes:
            try:
                writes.append(change.made())
                reasons.append({"Code": "None"})
            except _Failed as failed:
                reasons.append(failed.reason)
        if len(writes) < len(changes):
            raise error("TransactionCanceledException", str(reasons), CancellationReasons=reasons)
        if sum(size_of(write.new or {}) for write in writes) > MAX_TRANSACTION_BYTES:
            raise Refused("The items of a transaction have exceeded the maximum allowed size")
        self._apply(writes, by)
        if token and self.keeps_tokens:
            self._tokens[token] = self.monotonic(), asked
        return {}

    def _change(self, kind: str, request: Item) -> "_Change":
        """Check a write as far as that is possible without the stored item."""
        self._check_known(request, _WRITES[kind])
        given, item = Given.with_request(request), request.get("Item", {})
        for value in (*given.values.values(), *item.values()):
            _check_value(value)
        key = _key(item) if kind == "Put" else _key(request["Key"], alone=True)
        _check_index_key(item, Refused)
        if size_of(item) > MAX_ITEM_BYTES:
            raise Refused("Item size has exceeded the maximum allowed size")
        if kind == "Update":
            names = expressions.changed_names(request["UpdateExpression"], given)
            if names & MAX_KEY_BYTES.keys():
                raise Refused("Cannot update attribute. This attribute is part of the key")
        return _Change(kind, key, request, given, self.items.get(key))

    def _apply(self, writes: list[Write], by: str) -> None:
        for write in writes:
            if write.new is None:
                self.items.pop(write.key, None)
            else:
                self.items[write.key] = write.new
        self.committed(by, writes)

    def _check_known(self, request: Item, known: Set[str]) -> None:
        if request["TableName"] != self.name:
            raise error("ResourceNotFoundException", "Requested resource not found")
        if not request.keys() <= known:
            raise NotImplementedError(f"The table does not know {request.keys() - known}.")


class _Failed(Exception):
    """A write that the stored item does not allow, and DynamoDB's reason."""

    def __init__(self, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.reason: Item = {"Code": code, "Message": message, **more}


@dataclass(frozen=True, slots=True)
class _Change:
    """A write that is well formed, and the item that it would change."""

    kind: str
    key: Key
    request: Item
    given: Given
    old: Item | None

    def made(self) -> Write:
        """The write; raises `_Failed`."""
        old, request = self.old or {}, self.request
        if "ConditionExpression" in request and not expressions.holds(
            request["ConditionExpression"], old.get, self.given
        ):
            wants_old = request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
            more = {"Item": dict(old)} if old and wants_old else {}
            raise _Failed("ConditionalCheckFailed", "The conditional request failed", **more)
        if self.kind == "Delete":
            return Write(self.key, self.old, None)
        if self.kind == "Put":
            return Write(self.key, self.old, dict(request["Item"]))
        try:
            return Write(self.key, self.old, self._updated(old))
        except DoesNotFit as misfit:
            raise _Failed("ValidationError", str(misfit)) from misfit

    def _updated(self, old: Item) -> Item:
        changes = expressions.changes(self.request["UpdateExpression"], old.get, self.given)
        new = {**(old or self.request["Key"]), **changes}
        _check_index_key(new, DoesNotFit)
        if size_of(new) > MAX_ITEM_BYTES:
            raise DoesNotFit("Item size to update has exceeded the maximum allowed size")
        return new


def size_of(item: Item) -> int:
    """An item's size in bytes: names and values; a number takes a byte for two digits, and one."""
    size = 0
    for name, value in item.items():
        ((kind, bare),) = value.items()
        size += len(name.encode())
        size += len(bare.encode()) if kind == "S" else len(str(bare)) // 2 + 1 if kind == "N" else 1
    return size


def _check_value(value: Item) -> None:
    """Refuse what is no attribute value; lists, maps, sets and bytes are not known here."""
    ((kind, bare),) = value.items()
    if kind not in ("S", "N", "BOOL") or type(bare) is not (bool if kind == "BOOL" else str):
        raise NotImplementedError(f"The table does not know {value}.")
    if kind == "N":
        try:
            Decimal(bare)
        except InvalidOperation as nonsense:
            message = "The parameter cannot be converted to a numeric value"
            raise Refused(f"{message}: {bare}") from nonsense


def _key(item: Item, *, alone: bool = False) -> Key:
    """The primary key; `alone` if nothing else may be in the item."""
    if not item.keys() >= MAX_KEY_BYTES.keys() or (alone and len(item) > len(MAX_KEY_BYTES)):
        raise Refused("The provided key element does not match the schema")
    texts = [item[name].get("S", "") for name in MAX_KEY_BYTES]
    for text, (name, most) in zip(texts, MAX_KEY_BYTES.items(), strict=True):
        if not 1 <= len(text.encode()) <= most:
            raise Refused(f"The key attribute {name} must be a string of 1 to {most} bytes")
    return texts[0], texts[1]


def _check_index_key(item: Item, refusal: type[Refused]) -> None:
    """An index's key attribute may be absent, but neither empty nor of another type."""
    if RECENCY_ATTRIBUTE in item and not item[RECENCY_ATTRIBUTE].get("S"):
        raise refusal(f"Type mismatch for Index Key {RECENCY_ATTRIBUTE}")


def _check_batch(keys: Sequence[Key], most: int) -> None:
    if not 1 <= len(keys) <= most or len(set(keys)) < len(keys):
        raise Refused(f"A batch has 1 to {most} items, and no item twice")


def _projection(request: Item) -> Callable[[Item], Item]:
    """What a read shows of an item."""
    given, text = Given.with_request(request), request.get("ProjectionExpression")
    if text is None:
        return dict
    names = expressions.projected(text, given)
    return lambda item: {name: item[name] for name in names if name in item}
