"""Moto's DynamoDB, with real transactions and AWS's limits.

Moto answers each request in a thread of its own and does not isolate transactions: it copies the
whole table first and restores the copy when a condition fails, which loses other clients' writes.
Here one lock makes each write atomic, all conditions are checked before the first write, and no
request touches more than the partitions that it names. A transaction that is sent again with its
token is made once.
"""

import copy
import operator
import threading
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from types import SimpleNamespace
from typing import Any, Final, cast

from moto.core.common_types import TYPE_RESPONSE
from moto.core.responses import ActionResult
from moto.dynamodb import urls
from moto.dynamodb.comparisons import get_filter_expression
from moto.dynamodb.exceptions import (
    AttributeDoesNotExist,
    ConditionalCheckFailed,
    IncorrectDataType,
    ItemSizeTooLarge,
    ItemSizeToUpdateTooLarge,
    MockValidationException,
    MultipleTransactionsException,
    TooManyTransactionsException,
    TransactionCanceledException,
    TransactWriteSingleOpException,
)
from moto.dynamodb.models import DynamoDBBackend, dynamodb_backends
from moto.dynamodb.models import table as moto_table
from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict
from moto.dynamodb.models.table import Table
from moto.dynamodb.models.utilities import dynamo_json_dump
from moto.dynamodb.responses import DynamoHandler

from aistratus_local.emulator.request_tokens import RequestTokens
from aistratus_local.emulator.table_checks import check

MAX_ITEM_BYTES: Final = 400 * 1024
MAX_PAGE_BYTES: Final = 2**20
MAX_TRANSACTION_ITEMS: Final = 100
MAX_TRANSACTION_BYTES: Final = 4 * 2**20
_ITEM_READS: Final = frozenset({"GetItem", "BatchGetItem", "TransactGetItems", "Query", "Scan"})
# These narrow a partition before moto sees it; moto still decides.
_STRING_COMPARISONS: Final[dict[str, Callable[[str, str], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "BEGINS_WITH": str.startswith,
}
# An update's refusals that depend on what the item holds.
_MISFITS: Final = (AttributeDoesNotExist, IncorrectDataType, ItemSizeToUpdateTooLarge)
_Key = tuple[DynamoType, DynamoType | None]
_Reason = tuple[str | None, str | None, dict[str, Any] | None]


class _PlainAnswers(DynamoHandler):
    """moto's request handler, with a plain serializer for reads.

    The table already stores items as DynamoDB's typed JSON; the general serializer took two
    thirds of a query's time to find that out.
    """

    def serialized(self, action_result: ActionResult) -> TYPE_RESPONSE:
        if self._get_action() not in _ITEM_READS or isinstance(action_result.result, Exception):
            return super().serialized(action_result)
        headers = {"Content-Type": "application/x-amz-json-1.0", **self.response_headers}
        return 200, headers, dynamo_json_dump(action_result.result)

    def transact_write_items(self) -> ActionResult:
        """TransactWriteItems; a repeated one succeeds and changes nothing."""
        backend = cast("AtomicTables", self.dynamodb_backend)
        token, items = self.body.get("ClientRequestToken"), self.body["TransactItems"]
        with backend.lock:
            if backend.tokens.is_done(token, items):
                return ActionResult({})
            answer = super().transact_write_items()
            backend.tokens.made(token, items)
            return answer


def _checking(method: Callable[[DynamoHandler], ActionResult]) -> Callable[[DynamoHandler], Any]:
    @wraps(method)
    def call(handler: DynamoHandler) -> ActionResult:
        check(handler.body, handler.dynamodb_backend.get_table)
        return method(handler)

    return call


for _name in ("get", "batch_get", "put", "update", "delete", "batch_write"):
    setattr(_PlainAnswers, f"{_name}_item", _checking(getattr(_PlainAnswers, f"{_name}_item")))
for _name in ("query", "transact_write_items"):
    setattr(_PlainAnswers, _name, _checking(getattr(_PlainAnswers, _name)))


class AtomicTables(DynamoDBBackend):
    """moto's DynamoDB of one region, with one lock for reads and writes."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        # `short_way` uses both too.
        self.lock = threading.RLock()
        self.tokens = RequestTokens()

    @property
    def _url_module(self) -> Any:
        return SimpleNamespace(url_bases=urls.url_bases, url_paths={"{0}/": _PlainAnswers.dispatch})

    def put_item(
        self, table_name: str, item_attrs: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """PutItem, checked and written atomically."""
        if _size(item_attrs) > MAX_ITEM_BYTES:
            raise ItemSizeTooLarge
        with self.lock:
            return super().put_item(table_name, item_attrs, *args, **kwargs)

    def delete_item(self, *args: Any, **kwargs: Any) -> Any:
        """DeleteItem, checked and written atomically."""
        with self.lock:
            return super().delete_item(*args, **kwargs)

    def update_item(self, table_name: str, key: Any, *args: Any, **kwargs: Any) -> Any:
        """UpdateItem, checked and written atomically.

        moto changes the item in place. A reader in mid-answer must not see half a change, so moto
        gets a copy to change.
        """
        with self.lock:
            table = self.get_table(table_name)
            where = self.get_keys_value(table, key)
            old = table.get_item(*where)
            _put_back(table, where, copy.deepcopy(old))
            try:
                return _not_too_large(super().update_item(table_name, key, *args, **kwargs))
            except Exception:
                _put_back(table, where, old)
                raise

    def get_item(self, *args: Any, **kwargs: Any) -> Any:
        """GetItem."""
        with self.lock:
            return super().get_item(*args, **kwargs)

    def scan(self, *args: Any, **kwargs: Any) -> Any:
        """Scan."""
        with self.lock:
            return super().scan(*args, **kwargs)

    def query(
        self,
        table_name: str,
        hash_key_dict: Any,
        range_comparison: str | None,
        range_value_dicts: list[dict[str, Any]],
        limit: int | None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Query, over only the items that its key condition can match.

        moto walks and sorts the whole table, then compares item by item. A local index shares its
        table's partition key, so one partition is enough for it too; a global index does not.
        """
        wanted: Any = (table_name, hash_key_dict, range_comparison, range_value_dicts, limit)
        with self.lock:
            table = self.get_table(table_name)
            index_name = kwargs.get("index_name")
            is_global = index_name in {index.name for index in table.global_indexes or []}
            if hash_key_dict is None or is_global:
                return super().query(*wanted, *args, **kwargs)
            whole, partition = table.items, DynamoType(hash_key_dict)
            part: Any = whole.get(partition, {})
            compare = _STRING_COMPARISONS.get(range_comparison or "")
            if index_name is None and compare and "S" in range_value_dicts[0]:
                bound = range_value_dicts[0]["S"]
                part = {key: item for key, item in part.items() if compare(key.value, bound)}
            table.items = defaultdict(dict, {partition: part})
            try:
                items, scanned, last = super().query(*wanted, *args, **kwargs)
            finally:
                table.items = whole
            if items and len(items) == limit:
                # A page that its limit ends says that there is more, without looking.
                last = table._get_last_evaluated_key(items[-1], index_name)
            return items, scanned, last

    def transact_write_items(self, transact_items: list[dict[str, Any]]) -> None:
        """TransactWriteItems: check every condition, then make every write or none."""
        if len(transact_items) > MAX_TRANSACTION_ITEMS:
            raise TooManyTransactionsException
        with self.lock:
            touched = [self._target(item) for item in transact_items]
            if len({(table.name, key) for table, key in touched}) < len(touched):
                raise MultipleTransactionsException
            reasons = [self._reason(item) for item in transact_items]
            before = [table.get_item(*key) for table, key in touched]
            try:
                self._write_all(transact_items, reasons)
                _check_together([table.get_item(*key) for table, key in touched])
            except Exception:
                for (table, key), old in zip(touched, before, strict=True):
                    _put_back(table, key, old)
                raise

    def _write_all(self, items: list[dict[str, Any]], reasons: list[_Reason]) -> None:
        """Write all whose condition holds; raises if that was not all."""
        for number, item in enumerate(items):
            if reasons[number][0] is None:
                reasons[number] = self._write(item)
        if any(code is not None for code, _, _ in reasons):
            raise TransactionCanceledException(reasons)

    def _target(self, item: dict[str, Any]) -> tuple[Table, _Key]:
        if len(item) > 1:
            raise TransactWriteSingleOpException
        (operation,) = item.values()
        table = self.get_table(operation["TableName"])
        keys = operation.get("Key") or operation["Item"]
        return table, self.get_keys_value(table, keys)

    def _reason(self, item: dict[str, Any]) -> _Reason:
        """Why this item would be refused: code, message and perhaps the item; or three None."""
        (operation,) = item.values()
        expression = operation.get("ConditionExpression")
        if expression is None:
            return None, None, None
        table, key = self._target(item)
        current = table.get_item(*key)
        condition = get_filter_expression(
            expression,
            operation.get("ExpressionAttributeNames"),
            operation.get("ExpressionAttributeValues"),
        )
        if condition.expr(current):
            return None, None, None
        wants_old = operation.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
        old = current.to_json()["Attributes"] if wants_old and current else None
        return "ConditionalCheckFailed", str(ConditionalCheckFailed().message), old

    def _write(self, item: dict[str, Any]) -> _Reason:
        """Write; returns why the stored item does not allow that, or three None."""
        ((kind, operation),) = item.items()
        if kind == "Put":
            self.put_item(operation["TableName"], operation["Item"])
        elif kind == "Delete":
            self.delete_item(operation["TableName"], operation["Key"])
        elif kind == "Update":
            try:
                self.update_item(
                    operation["TableName"],
                    operation["Key"],
                    update_expression=operation["UpdateExpression"],
                    expression_attribute_names=operation.get("ExpressionAttributeNames"),
                    expression_attribute_values=operation.get("ExpressionAttributeValues"),
                )
            except _MISFITS as misfit:
                return "ValidationError", str(misfit.message), None
        return None, None, None


def _size(attributes: dict[str, Any]) -> int:
    return sum(len(name.encode()) + DynamoType(value).size() for name, value in attributes.items())


def _check_together(items: list[Item | None]) -> None:
    if sum(item.size() for item in items if item) > MAX_TRANSACTION_BYTES:
        raise MockValidationException("The transaction's items have more than 4 MB together")


def _not_too_large(item: Item) -> Item:
    if item.size() > MAX_ITEM_BYTES:
        raise ItemSizeToUpdateTooLarge
    return item


def _put_back(table: Table, where: _Key, item: Item | None) -> None:
    """Store `item` under that key, or nothing if it is None."""
    if item is None:
        table.delete_item(*where)
    elif where[1] is None:
        table.items[where[0]] = item  # type: ignore[assignment]
    else:
        table.items[where[0]][where[1]] = item


def install() -> None:
    """Have moto use these tables from now on, for every region and account."""
    dynamodb_backends.backend = AtomicTables
    moto_table.RESULT_SIZE_LIMIT = MAX_PAGE_BYTES
    # It counts otherwise than AWS, and all of an item again for each attribute.
    LimitedSizeDict.__setitem__ = dict.__setitem__  # type: ignore[method-assign]
