"""DynamoDB on the simulated clock: the calls that the worker makes, their expressions evaluated.

An expression of a kind that `aistratus_contracts.table` does not use fails the test, so that no
worker takes it for a passing fault.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace
from typing import Any, Final

from aistratus_contracts.table import PARTITION_KEY, SORT_KEY
from support.simulation.network import (
    Answer,
    Reply,
    Sdk,
    TransactionCanceledException,
    cancelled,
    refusal,
)
from support.simulation.world import World

Item = dict[str, Any]
Key = tuple[str, str]
# Small, so that a query of many items takes several reads, between which the table changes. AWS
# cuts a page at 1 MB, and promises only that there is a next one.
PAGE_ITEMS: Final = 8
_EQUALS: Final = re.compile(r"(#?\w+) = (:\w+)")
_ABSENT: Final = re.compile(r"attribute_not_exists\((#?\w+)\)")
_BEGINS: Final = re.compile(rf"{PARTITION_KEY} = (:\w+) AND begins_with\({SORT_KEY}, (:\w+)\)")
_BETWEEN: Final = re.compile(rf"{PARTITION_KEY} = (:\w+) AND {SORT_KEY} BETWEEN (:\w+) AND (:\w+)")


@dataclass(frozen=True, slots=True)
class Write:
    """What one item was, and what it is now; None if there is none."""

    key: Key
    old: Item | None
    new: Item | None


@dataclass
class Table:
    """The table; `committed` gets each transaction's writer and all its writes at once.

    `keeps_tokens`: a transaction sent again with its ClientRequestToken is answered as done, as AWS
    does for ten minutes. Without it, the retry fails its own condition, as it does on AWS once
    something has gone wrong with the token.
    """

    world: World
    name: str
    keeps_tokens: bool
    committed: Callable[[str, list[Write]], None]
    items: dict[Key, Item] = field(default_factory=dict)
    _tokens: set[str] = field(default_factory=set)

    def partition(self, pk: str, prefix: str = "") -> list[Item]:
        """The items under a key, in order."""
        keys = [key for key in self.items if key[0] == pk and key[1].startswith(prefix)]
        return [self.items[key] for key in sorted(keys)]

    def write(self, by: str, items: list[Item], token: str = "") -> Answer:
        """TransactWriteItems: every condition first, then every write, or none."""
        if token and token in self._tokens:
            return Answer({})
        keys = [_key_of(item) for item in items]
        if len(set(keys)) < len(keys):
            return Answer(error=refusal("ValidationException", "TransactWriteItems"))
        reasons = [
            "None" if self._holds(item, self.items.get(key)) else "ConditionalCheckFailed"
            for key, item in zip(keys, items, strict=True)
        ]
        if set(reasons) != {"None"}:
            return Answer(error=cancelled(reasons))
        writes = []
        for key, item in zip(keys, items, strict=True):
            old = self.items.get(key)
            new = self._made(item, old)
            writes.append(Write(key, old, new))
            if new is None:
                self.items.pop(key, None)
            else:
                self.items[key] = new
        if token and self.keeps_tokens:
            self._tokens.add(token)
        self.committed(by, writes)
        return Answer({})

    def query(self, operation: Item) -> Answer:
        """One page of a Query."""
        items = self._found(operation)
        is_forward = operation.get("ScanIndexForward", True)
        if not is_forward:
            items.reverse()
        after = operation.get("ExclusiveStartKey")
        if after is not None:
            items = [item for item in items if (_key(item) > _key(after)) is is_forward]
            items = [item for item in items if _key(item) != _key(after)]
        most = min(PAGE_ITEMS, operation.get("Limit", PAGE_ITEMS))
        page = {"Items": items[:most]}
        if len(items) > most:
            last = items[most - 1]
            page["LastEvaluatedKey"] = {name: last[name] for name in (PARTITION_KEY, SORT_KEY)}  # type: ignore[assignment]
        return Answer(page)

    def _found(self, operation: Item) -> list[Item]:
        condition = operation["KeyConditionExpression"]
        values = operation["ExpressionAttributeValues"]
        if found := _BEGINS.fullmatch(condition):
            pk, prefix = (values[name]["S"] for name in found.groups())
            return self.partition(pk, prefix)
        if found := _BETWEEN.fullmatch(condition):
            pk, first, last = (values[name]["S"] for name in found.groups())
            return [it for it in self.partition(pk) if first <= it[SORT_KEY]["S"] <= last]
        raise self._unknown(condition)

    def _holds(self, item: Item, old: Item | None) -> bool:
        (operation,) = item.values()
        if "ConditionExpression" not in operation:
            return True
        there = old or {}
        return all(
            self._is_true(part, operation, there)
            for part in operation["ConditionExpression"].split(" AND ")
        )

    def _is_true(self, part: str, operation: Item, there: Item) -> bool:
        if absent := _ABSENT.fullmatch(part):
            return _name(absent[1], operation) not in there
        if equals := _EQUALS.fullmatch(part):
            wanted = operation["ExpressionAttributeValues"][equals[2]]
            return bool(there.get(_name(equals[1], operation)) == wanted)
        raise self._unknown(part)

    def _made(self, item: Item, old: Item | None) -> Item | None:
        ((kind, operation),) = item.items()
        if kind == "Put":
            made: Item = operation["Item"]
            return made
        if kind == "Delete":
            return None
        verb, _, assignments = operation.get("UpdateExpression", "").partition(" ")
        if kind != "Update" or verb != "SET":
            raise self._unknown(str(item))
        changes = {}
        for part in assignments.split(", "):
            equals = _EQUALS.fullmatch(part)
            if equals is None:
                raise self._unknown(part)
            value = operation["ExpressionAttributeValues"][equals[2]]
            changes[_name(equals[1], operation)] = value
        return {**(old or operation["Key"]), **changes}

    def _unknown(self, expression: str) -> AssertionError:
        self.world.violated(f"The simulated table does not know {expression!r}; teach it.")
        return AssertionError(expression)


def _name(word: str, operation: Item) -> str:
    return str(operation["ExpressionAttributeNames"][word]) if word.startswith("#") else word


def _key(item: Item) -> Key:
    return item[PARTITION_KEY]["S"], item[SORT_KEY]["S"]


def _key_of(item: Item) -> Key:
    (operation,) = item.values()
    return _key(operation.get("Item") or operation["Key"])


@dataclass
class SimulatedDynamoDb:
    """A boto3 client of DynamoDB: the calls that the worker makes, and no other."""

    sdk: Sdk
    table: Table
    exceptions: SimpleNamespace = field(
        default_factory=lambda: SimpleNamespace(
            TransactionCanceledException=TransactionCanceledException
        )
    )
    _tokens: Iterator[int] = field(default_factory=count)

    def get_item(self, *, TableName: str, Key: Item, ConsistentRead: bool) -> Item:  # noqa: N803
        assert TableName == self.table.name
        assert ConsistentRead, "the worker must see what it has written"

        def serve(reply: Reply) -> None:
            item = self.table.items.get(_key(Key))
            reply(Answer({} if item is None else {"Item": item}))

        answer: Item = self.sdk.call("GetItem", serve)
        return answer

    def put_item(self, *, TableName: str, Item: Item) -> Item:  # noqa: N803
        return self._write("PutItem", [{"Put": {"TableName": TableName, "Item": Item}}])

    def delete_item(self, *, TableName: str, Key: Item) -> Item:  # noqa: N803
        return self._write("DeleteItem", [{"Delete": {"TableName": TableName, "Key": Key}}])

    def transact_write_items(self, *, TransactItems: list[Item]) -> Item:  # noqa: N803
        # boto3 adds the token, one to a call, the same for all its tries.
        token = f"{self.sdk.link.process.name}-{next(self._tokens)}"
        return self._write("TransactWriteItems", TransactItems, token)

    def get_paginator(self, operation: str) -> "_QueryPages":
        assert operation == "query"
        return _QueryPages(self)

    def _write(self, operation: str, items: list[Item], token: str = "") -> Item:
        for item in items:
            (part,) = item.values()
            assert part["TableName"] == self.table.name
        by = self.sdk.link.process.name
        answer: Item = self.sdk.call(
            operation, lambda reply: reply(self.table.write(by, items, token))
        )
        return answer


@dataclass(frozen=True)
class _QueryPages:
    client: SimulatedDynamoDb

    def paginate(self, *, TableName: str, ConsistentRead: bool, **asked: Any) -> Iterator[Item]:  # noqa: N803
        assert TableName == self.client.table.name
        assert ConsistentRead, "the worker must see what it has written"
        while True:
            page = self._page(asked)
            yield page
            if "LastEvaluatedKey" not in page:
                return
            asked = {**asked, "ExclusiveStartKey": page["LastEvaluatedKey"]}

    def _page(self, asked: Item) -> Item:
        page: Item = self.client.sdk.call(
            "Query", lambda reply: reply(self.client.table.query(asked))
        )
        return page
