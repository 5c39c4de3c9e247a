"""ClientRequestToken of TransactWriteItems, which DynamoDB has and moto lacks.

boto3 gives each transaction a token and sends it again with every try. For ten minutes after a
transaction, the same request with its token succeeds and changes nothing; another request with it
is refused (API reference of TransactWriteItems, ClientRequestToken).
"""

import time
from dataclasses import dataclass, field
from typing import Any, Final

from moto.dynamodb.exceptions import ERROR_TYPE_PREFIX, DynamodbException

REMEMBERED_SECONDS: Final = 600.0


class IdempotentParameterMismatch(DynamodbException):
    """The token came with another request before."""

    def __init__(self) -> None:
        super().__init__(
            f"{ERROR_TYPE_PREFIX}IdempotentParameterMismatchException",
            "The client token was used with other parameters.",
        )


@dataclass
class RequestTokens:
    """The transactions of the last ten minutes; callers must hold the tables' lock."""

    _done: dict[str, tuple[float, list[Any]]] = field(default_factory=dict)

    def is_done(self, token: str | None, items: list[Any]) -> bool:
        """Whether this transaction has been made; raises `IdempotentParameterMismatch`."""
        now = time.monotonic()
        # They are in the order in which they were made.
        for old in list(self._done):
            if now - self._done[old][0] < REMEMBERED_SECONDS:
                break
            del self._done[old]
        if token not in self._done:
            return False
        if self._done[token][1] != items:
            raise IdempotentParameterMismatch
        return True

    def made(self, token: str | None, items: list[Any]) -> None:
        """Remember that this transaction has been made."""
        if token is not None:
            self._done[token] = time.monotonic(), items
