"""Which AWS errors are temporary, so that the caller may retry."""

from typing import Final

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

from aistratus_router.errors import Unavailable
from aistratus_router.store.table import code_of

# The codes with which DynamoDB, SQS and SSM ask for fewer or later calls.
TRANSIENT_CODES: Final = {
    "InternalServerError",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
}


def is_transient(error: Exception) -> bool:
    """True if the same request may well succeed in a moment."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return code_of(error) in TRANSIENT_CODES or status >= 500
    return isinstance(error, Unavailable | BotoConnectionError | HTTPClientError)
