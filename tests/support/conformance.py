"""One imitation of AWS, as the conformance tests speak to it: a table, or a queue."""

import itertools
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

Item = dict[str, Any]


@dataclass
class TableSide:
    """A table in one imitation of DynamoDB, and a partition in it for this test alone."""

    client: Any
    name: str
    extra: Item = field(default_factory=dict)
    pk: str = field(default_factory=lambda: f"P#{uuid.uuid4().hex}")

    def ask(self, method: str, **call: Any) -> Any:
        """The answer, or the code of the refusal; keys and items get the test's partition."""
        try:
            return getattr(self.client, method)(**self._filled(method, call), **self.extra)
        except ClientError as error:
            return error.response["Error"]["Code"]

    def put(self, sk: str, **attributes: Any) -> None:
        item = {"pk": {"S": self.pk}, "sk": {"S": sk}, **attributes}
        self.client.put_item(TableName=self.name, Item=item)

    def get(self, sk: str) -> Item | None:
        """An item without its key."""
        key = {"pk": {"S": self.pk}, "sk": {"S": sk}}
        answer = self.client.get_item(TableName=self.name, Key=key, ConsistentRead=True)
        found: Item | None = answer.get("Item")
        return found and {name: found[name] for name in found if name not in ("pk", "sk")}

    def write(self, *writes: Item, **more: Any) -> tuple[str, list[Item]]:
        """Make a transaction; returns the code of its refusal and the reasons, or nothing."""
        call = self._filled("transact_write_items", {"TransactItems": list(writes), **more})
        try:
            self.client.transact_write_items(**call, **self.extra)
        except ClientError as error:
            response: Any = error.response
            return response["Error"]["Code"], response.get("CancellationReasons", [])
        return "", []

    def query(self, condition: str = "", **options: Any) -> Any:
        """A query of the test's partition; `:a` and `:b` are given in `values`."""
        values = {":pk": {"S": self.pk}, **options.pop("values", {})}
        return self.ask(
            "query",
            KeyConditionExpression=f"pk = :pk{condition}",
            ExpressionAttributeValues=values,
            **options,
        )

    def _filled(self, method: str, call: Item) -> Item:
        if method.startswith("batch"):
            return {"RequestItems": {self.name: self._with_partition(call["Requests"])}}
        if method == "transact_write_items":
            writes = [
                {kind: {"TableName": self.name, **self._with_partition(what)}}
                for write in call["TransactItems"]
                for kind, what in write.items()
            ]
            return {**call, "TransactItems": writes}
        return {"TableName": self.name, **self._with_partition(call)}

    def _with_partition(self, call: Any, *, is_key: bool = False) -> Any:
        if isinstance(call, list):
            return [self._with_partition(each, is_key=is_key) for each in call]
        if is_key:
            return {"pk": {"S": self.pk}, **call}
        if not isinstance(call, dict):
            return call
        return {
            name: self._with_partition(each, is_key=name in ("Key", "Keys", "Item"))
            if name in ("Key", "Keys", "Item", "PutRequest", "DeleteRequest")
            else each
            for name, each in call.items()
        }


@dataclass
class QueueSide:
    """A FIFO queue, and the one for its dead letters, in one imitation of SQS."""

    sqs: Any
    url: str
    dead_letter_url: str
    pass_time: Callable[[float], None]
    _serial: Iterator[int] = field(default_factory=itertools.count)

    def send(self, body: str = "x", group: str = "g", dedup: str = "", **more: Any) -> str:
        answer = self.sqs.send_message(
            QueueUrl=self.url,
            MessageBody=body,
            MessageGroupId=group,
            MessageDeduplicationId=dedup or f"d{next(self._serial)}",
            **more,
        )
        return str(answer["MessageId"])

    def receive(
        self, seconds: int = 30, attempt: str = "", most: int = 10, url: str = ""
    ) -> list[Any]:
        attempt_id = {"ReceiveRequestAttemptId": attempt} if attempt else {}
        answer = self.sqs.receive_message(
            QueueUrl=url or self.url,
            VisibilityTimeout=seconds,
            MaxNumberOfMessages=most,
            MessageSystemAttributeNames=["ApproximateReceiveCount", "MessageGroupId"],
            MessageAttributeNames=["reason"],
            **attempt_id,
        )
        found: list[Any] = answer.get("Messages", [])
        return found

    def bodies(self, **options: Any) -> list[str]:
        return [message["Body"] for message in self.receive(**options)]

    def take(self, **options: Any) -> str:
        """Receive the one message that there is; returns its receipt."""
        (message,) = self.receive(**options)
        return str(message["ReceiptHandle"])

    def delete(self, receipt: str) -> None:
        self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=receipt)

    def hold(self, receipt: str, seconds: int) -> None:
        self.sqs.change_message_visibility(
            QueueUrl=self.url, ReceiptHandle=receipt, VisibilityTimeout=seconds
        )

    def hold_all(self, *entries: tuple[str, int], ids: str = "") -> tuple[set[str], Item]:
        """Change them in one batch; returns the ids that succeeded, and the others' codes."""
        answer = self.sqs.change_message_visibility_batch(
            QueueUrl=self.url,
            Entries=[
                {
                    "Id": ids[number : number + 1] or str(number),
                    "ReceiptHandle": receipt,
                    "VisibilityTimeout": seconds,
                }
                for number, (receipt, seconds) in enumerate(entries)
            ],
        )
        failed = answer.get("Failed", [])
        assert all(entry["SenderFault"] for entry in failed)
        done = {entry["Id"] for entry in answer.get("Successful", [])}
        return done, {entry["Id"]: entry["Code"] for entry in failed}
