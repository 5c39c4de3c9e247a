"""An in-memory table, as strict as the real one, for tests and measurements.

It replaces the boto3 client and takes the calls that the router makes. It refuses what DynamoDB
refuses, with the same error codes: a condition that does not hold, a value that no expression uses,
an item above 400 KB, two writes to one item.
"""

import json
import operator
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from botocore.exceptions import ClientError

from aistratus_contracts import table
from aistratus_contracts.table import Item

MAX_ITEM_BYTES: Final = 400 * 1024
MAX_TRANSACTION_ITEMS: Final = 100
MAX_PAGE_BYTES: Final = 2**20
MAX_BATCH_ITEMS: Final = 25
MAX_BATCH_GETS: Final = 100

_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def error(code: str, message: str = "", **more: Any) -> ClientError:
    """An AWS error."""
    response: Any = {"Error": {"Code": code, "Message": message}, **more}
    return ClientError(response, "in memory")


class MemoryTable:
    """The calls of a low-level DynamoDB client on one table with the contracts' schema."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Item] = {}

    def get_item(self, **call: Any) -> Any:
        """GetItem."""
        item = self.items.get(_key(call["Key"]))
        return {} if item is None else {"Item": dict(item)}

    def batch_get_item(self, **call: Any) -> Any:
        """BatchGetItem on the one table."""
        ((name, asked),) = call["RequestItems"].items()
        keys = [_key(key) for key in asked["Keys"]]
        if not 1 <= len(keys) <= MAX_BATCH_GETS or len(set(keys)) != len(keys):
            raise error("ValidationException", "an empty batch, too large, or one key twice")
        wanted = ", ".join(
            _name(part.strip(), asked) for part in asked.get("ProjectionExpression", "").split(",")
        )
        found = [_project(self.items[key], wanted) for key in keys if key in self.items]
        return {"Responses": {name: found}, "UnprocessedKeys": {}}

    def query(self, **call: Any) -> Any:
        """Query on the table or its local index; a page holds 1 MB at most."""
        names = call.get("ProjectionExpression", "")
        sort_key = table.RECENCY_ATTRIBUTE if call.get("IndexName") else table.SORT_KEY
        matches = _KeyCondition(call["KeyConditionExpression"], call["ExpressionAttributeValues"])
        found = sorted(
            (item for item in self.items.values() if sort_key in item and matches(item)),
            key=lambda item: (item[sort_key]["S"], item[table.SORT_KEY]["S"]),
            reverse=not call.get("ScanIndexForward", True),
        )
        return _page(found, sort_key, names, call)

    def transact_write_items(self, **call: Any) -> Any:
        """TransactWriteItems: all or nothing."""
        writes = [next(iter(item.items())) for item in call["TransactItems"]]
        keys = [_key(write.get("Key") or write["Item"]) for _, write in writes]
        if len(writes) > MAX_TRANSACTION_ITEMS or len(set(keys)) != len(keys):
            raise error("ValidationException", "too many writes, or two on one item")
        reasons = [
            {"Code": "None" if self._holds(key, write) else "ConditionalCheckFailed"}
            for key, (_, write) in zip(keys, writes, strict=True)
        ]
        if any(reason["Code"] != "None" for reason in reasons):
            raise error("TransactionCanceledException", CancellationReasons=reasons)
        changed = [
            (key, self._after(kind, key, write))
            for key, (kind, write) in zip(keys, writes, strict=True)
        ]
        for key, item in changed:
            self._put(key, item)
        return {}

    def update_item(self, **call: Any) -> Any:
        """UpdateItem."""
        key = _key(call["Key"])
        if not self._holds(key, call):
            raise error("ConditionalCheckFailedException")
        self._put(key, self._after("Update", key, call))
        return {}

    def delete_item(self, **call: Any) -> Any:
        """DeleteItem."""
        key = _key(call["Key"])
        if not self._holds(key, call):
            raise error("ConditionalCheckFailedException")
        old = self.items.pop(key, None)
        wants_old = call.get("ReturnValues") == "ALL_OLD"
        return {"Attributes": old} if old is not None and wants_old else {}

    def batch_write_item(self, **call: Any) -> Any:
        """BatchWriteItem, deletions only."""
        ((_, requests),) = call["RequestItems"].items()
        keys = [_key(request["DeleteRequest"]["Key"]) for request in requests]
        if not 1 <= len(keys) <= MAX_BATCH_ITEMS or len(set(keys)) != len(keys):
            raise error("ValidationException", "an empty batch, too large, or one key twice")
        for key in keys:
            self.items.pop(key, None)
        return {"UnprocessedItems": {}}

    def _holds(self, key: tuple[str, str], write: Item) -> bool:
        _check_values_used(write)
        condition = write.get("ConditionExpression")
        return condition is None or _holds(condition, write, self.items.get(key, {}))

    def _after(self, kind: str, key: tuple[str, str], write: Item) -> Item | None:
        if kind == "Put":
            return dict(write["Item"])
        if kind == "Delete":
            return None
        item = dict(self.items.get(key) or write["Key"])
        values = write.get("ExpressionAttributeValues", {})
        sets, _, adds = write["UpdateExpression"].removeprefix("SET ").rpartition("ADD ")
        if not sets and not write["UpdateExpression"].startswith("ADD "):
            sets, adds = adds, ""
        for assignment in filter(None, sets.split(",")):
            name, value = (part.strip() for part in assignment.split(" = "))
            item[_name(name, write)] = values[value]
        for addition in filter(None, adds.split(",")):
            name, value = addition.split()
            number = int(item.get(name, {"N": "0"})["N"]) + int(values[value]["N"])
            item[name] = {"N": str(number)}
        return item

    def _put(self, key: tuple[str, str], item: Item | None) -> None:
        if item is None:
            self.items.pop(key, None)
        elif _size(item) > MAX_ITEM_BYTES:
            raise error("ValidationException", "Item size has exceeded the maximum allowed size")
        else:
            self.items[key] = item


class _KeyCondition:
    """`pk = :x`, perhaps with `AND` a condition on the sort key."""

    def __init__(self, expression: str, values: Item) -> None:
        partition, _, rest = expression.partition(" AND ")
        self._partition = values[partition.removeprefix("pk = ")]
        self._sort = self._sort_condition(rest, values)

    def __call__(self, item: Item) -> bool:
        return item[table.PARTITION_KEY] == self._partition and self._sort(
            item[table.SORT_KEY]["S"]
        )

    @staticmethod
    def _sort_condition(text: str, values: Item) -> Callable[[str], bool]:
        if not text:
            return lambda _: True
        if match := re.fullmatch(r"begins_with\(sk, (:\w+)\)", text):
            prefix = values[match[1]]["S"]
            return lambda sk: sk.startswith(prefix)
        if match := re.fullmatch(r"sk BETWEEN (:\w+) AND (:\w+)", text):
            low, high = values[match[1]]["S"], values[match[2]]["S"]
            return lambda sk: low <= sk <= high
        if match := re.fullmatch(r"sk (<|<=|=|>|>=) (:\w+)", text):
            compare, bound = _COMPARISONS[match[1]], values[match[2]]["S"]
            return lambda sk: compare(sk, bound)
        raise error("ValidationException", f"Invalid KeyConditionExpression: {text}")


def _page(found: list[Item], sort_key: str, names: str, call: dict[str, Any]) -> Any:
    start = call.get("ExclusiveStartKey")
    if start is not None:
        place = (start[sort_key]["S"], start[table.SORT_KEY]["S"])
        forward = call.get("ScanIndexForward", True)
        is_after = operator.gt if forward else operator.lt
        found = [i for i in found if is_after((i[sort_key]["S"], i[table.SORT_KEY]["S"]), place)]
    taken: list[Item] = []
    size = 0
    for item in found:
        taken.append(item)
        size += _size(item)
        if len(taken) == call.get("Limit") or size >= MAX_PAGE_BYTES:
            break
    page: dict[str, Any] = {"Items": [_project(item, names) for item in taken]}
    # As in DynamoDB, a full page says that there is more without looking.
    if taken and (len(taken) < len(found) or len(taken) == call.get("Limit")):
        keys = {table.PARTITION_KEY, table.SORT_KEY, sort_key}
        page["LastEvaluatedKey"] = {name: taken[-1][name] for name in keys}
    return page


def _project(item: Item, names: str) -> Item:
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    return {name: item[name] for name in wanted if name in item} if wanted else dict(item)


def _holds(condition: str, write: Item, item: Item) -> bool:
    return any(
        all(_atom_holds(atom.strip(), write, item) for atom in choice.split(" AND "))
        for choice in condition.split(" OR ")
    )


def _atom_holds(atom: str, write: Item, item: Item) -> bool:
    if match := re.fullmatch(r"attribute_(not_)?exists\((#?\w+)\)", atom):
        return (_name(match[2], write) in item) is not bool(match[1])
    if match := re.fullmatch(r"(#?\w+) (=|<>|<|<=|>|>=) (:\w+)", atom):
        left, right = item.get(_name(match[1], write)), write["ExpressionAttributeValues"][match[3]]
        if left is None or left.keys() != right.keys():
            return match[2] == "<>"
        return _COMPARISONS[match[2]](_plain(left), _plain(right))
    raise error("ValidationException", f"Invalid ConditionExpression: {atom}")


def _plain(value: Item) -> Any:
    ((kind, plain),) = value.items()
    return float(plain) if kind == "N" else plain


def _name(name: str, write: Item) -> str:
    return str(write["ExpressionAttributeNames"][name]) if name.startswith("#") else name


def _check_values_used(write: Item) -> None:
    text = f"{write.get('ConditionExpression', '')} {write.get('UpdateExpression', '')}"
    used = set(re.findall(r"[:#]\w+", text))
    given = {
        *write.get("ExpressionAttributeValues", ()),
        *write.get("ExpressionAttributeNames", ()),
    }
    if used != given:
        raise error("ValidationException", f"used {sorted(used)}, given {sorted(given)}")


def _key(item: Item) -> tuple[str, str]:
    partition, sort = item[table.PARTITION_KEY]["S"], item[table.SORT_KEY]["S"]
    if not partition or not sort:
        raise error("ValidationException", "a key must not be empty")
    return partition, sort


def _size(item: Item) -> int:
    return sum(len(name) + sum(_value_sizes(value)) for name, value in item.items())


def _value_sizes(value: Item) -> Iterator[int]:
    for part in value.values():
        yield len(part.encode()) if isinstance(part, str) else len(json.dumps(part))
