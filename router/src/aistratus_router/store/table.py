"""The table through DynamoDB's low-level client: the few calls that the stores need.

Reads are strongly consistent: the next request sees what was accepted, whichever process serves it.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from aistratus_contracts import table
from aistratus_contracts.table import Item
from aistratus_router.errors import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# The most that BatchWriteItem takes at once, and how many tries a batch gets.
BATCH_SIZE: Final = 25
BATCH_TRIES: Final = 6
# The most that BatchGetItem takes at once.
GET_BATCH_SIZE: Final = 100

REFUSED: Final = "ConditionalCheckFailed"
CONFLICT: Final = "TransactionConflict"
_THROTTLED: Final = {"ThrottlingError", "ProvisionedThroughputExceeded"}
_LOST: Final = {"ConditionalCheckFailedException", "TransactionConflictException"}


class Table:
    """One table, and what can happen to a write on it."""

    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        self._client = client
        self.name = name

    def get(self, key: Item) -> Item | None:
        """An item."""
        response: Any = self._client.get_item(TableName=self.name, Key=key, ConsistentRead=True)
        item: Item | None = response.get("Item")
        return item

    def get_many(self, keys: Sequence[Item], **options: Any) -> list[Item]:
        """The items that exist, in any order; raises `Unavailable`."""
        found: list[Item] = []
        for start in range(0, len(keys), GET_BATCH_SIZE):
            batch: Any = {
                self.name: {
                    "Keys": list(keys[start : start + GET_BATCH_SIZE]),
                    "ConsistentRead": True,
                    **options,
                }
            }
            for _ in range(BATCH_TRIES):
                response: Any = self._client.batch_get_item(RequestItems=batch)
                found += response["Responses"].get(self.name, [])
                batch = response.get("UnprocessedKeys")
                if not batch:
                    break
            else:
                raise Unavailable("The table did not keep up with the reads.")
        return found

    def page(self, **options: Any) -> tuple[list[Item], bool]:
        """One page of a query, at most 1 MB; and whether it was cut."""
        response: Any = self._client.query(TableName=self.name, ConsistentRead=True, **options)
        return response["Items"], "LastEvaluatedKey" in response

    def query(
        self, partition: str, prefix: str = "", *, after: str = "", **options: Any
    ) -> Iterator[Item]:
        """A partition's items, in order: all, those with `prefix`, or those that sort `after`."""
        values: Item = {":pk": {"S": partition}}
        condition = "pk = :pk"
        if prefix:
            values[":prefix"] = {"S": prefix}
            condition += " AND begins_with(sk, :prefix)"
        elif after:
            values[":after"] = {"S": after}
            condition += " AND sk > :after"
        while True:
            response: Any = self._client.query(
                TableName=self.name,
                ConsistentRead=True,
                KeyConditionExpression=condition,
                ExpressionAttributeValues=values,
                **options,
            )
            yield from response["Items"]
            if "LastEvaluatedKey" not in response:
                return
            options["ExclusiveStartKey"] = response["LastEvaluatedKey"]

    def transact(self, items: list[Item]) -> list[str]:
        """Write all or nothing; an empty list if all, else each item's reason, in order.

        A reason is `None`, `REFUSED` (its condition does not hold) or `CONFLICT` (another
        transaction is writing it). If boto3 retries after a lost reply, the transaction is still
        written once: boto3 gives each one a token.
        """
        transact_items: Any = items
        try:
            self._client.transact_write_items(TransactItems=transact_items)
        except ClientError as error:
            if code_of(error) != "TransactionCanceledException":
                raise
            reasons: Any = error.response
            codes = [reason["Code"] for reason in reasons["CancellationReasons"]]
            if _THROTTLED & set(codes):
                raise Unavailable("The table throttles.") from error
            if set(codes) <= {"None", REFUSED, CONFLICT}:
                return codes
            raise
        return []

    def update(self, **options: Any) -> bool:
        """A conditional UpdateItem; False if its condition fails or a transaction is writing."""
        try:
            self._client.update_item(TableName=self.name, **options)
        except ClientError as error:
            if code_of(error) in _LOST:
                return False
            raise
        return True

    def delete(self, key: Item, **options: Any) -> tuple[bool, Item | None]:
        """DeleteItem: whether it was done (its condition held), and the old item."""
        try:
            response: Any = self._client.delete_item(
                TableName=self.name, Key=key, ReturnValues="ALL_OLD", **options
            )
        except ClientError as error:
            if code_of(error) in _LOST:
                return False, None
            raise
        return True, response.get("Attributes")

    def delete_all(self, keys: Sequence[Item]) -> None:
        """Delete many items; raises `Unavailable` if the table does not keep up."""
        for start in range(0, len(keys), BATCH_SIZE):
            batch: Any = {
                self.name: [
                    {"DeleteRequest": {"Key": key}} for key in keys[start : start + BATCH_SIZE]
                ]
            }
            for _ in range(BATCH_TRIES):
                response: Any = self._client.batch_write_item(RequestItems=batch)
                batch = response["UnprocessedItems"]
                if not batch:
                    break
            else:
                raise Unavailable("The table did not keep up with the deletions.")


def key_of(item: Item) -> Item:
    """The primary key of an item."""
    return {name: item[name] for name in (table.PARTITION_KEY, table.SORT_KEY)}


def code_of(error: ClientError) -> str:
    """AWS's code for an error."""
    return error.response.get("Error", {}).get("Code", "")
