"""What boto3 puts between its callers and a service: clients and errors."""

import uuid
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, Final, TypeVar

from botocore.exceptions import ClientError

K = TypeVar("K")
V = TypeVar("V", bound=tuple[Any, ...])


class TransactionCanceledException(ClientError):
    """DynamoDB's, with `CancellationReasons` in its response."""


def error(
    code: str, message: str = "", *, operation: str = "in memory", **more: Any
) -> ClientError:
    """An AWS error; `more` goes beside `Error` in its response."""
    response: Any = {"Error": {"Code": code, "Message": message}, **more}
    if code == TransactionCanceledException.__name__:
        return TransactionCanceledException(response, "in memory")
    return ClientError(response, "in memory")


class Client:
    """boto3's client of a service: `send` takes an operation's name and its parameters.

    Calls go straight to a service in memory, or over the simulated network.
    """

    exceptions: Final = SimpleNamespace(TransactionCanceledException=TransactionCanceledException)

    def __init__(self, send: Callable[[str, dict[str, Any]], Any]) -> None:
        self.send = send

    def __getattr__(self, method: str) -> Callable[..., Any]:
        operation = "".join(word.title() for word in method.split("_"))

        def call(**parameters: Any) -> Any:
            if operation == "TransactWriteItems":
                # boto3 gives each call a token, the same for all its tries.
                parameters.setdefault("ClientRequestToken", str(uuid.uuid4()))
            return self.send(operation, parameters)

        return call

    def get_paginator(self, operation: str) -> SimpleNamespace:
        """The pages of a query, as boto3 asks for them."""
        assert operation == "query"

        def paginate(**parameters: Any) -> Iterator[Any]:
            while True:
                page = self.send("Query", parameters)
                yield page
                if "LastEvaluatedKey" not in page:
                    return
                parameters["ExclusiveStartKey"] = page["LastEvaluatedKey"]

        return SimpleNamespace(paginate=paginate)


def forget(kept: dict[K, V], before: float) -> None:
    """Drop the entries that are no younger; they begin with their time, and are in its order."""
    for key in list(kept):
        if kept[key][0] > before:
            return
        del kept[key]
