"""The ids that the router works with, from SSM, kept for a minute."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from aistratus_contracts.errors import ContractError
from aistratus_contracts.models import Catalogue, decode_catalogue
from aistratus_contracts.registry import Parameter
from aistratus_router.log import logger
from aistratus_router.problems import Misconfigured, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

MAX_AGE_SECONDS: Final = 60
# The largest page that GetParametersByPath gives; our parameters fit in one.
PAGE_SIZE: Final = 10
PAUSE_AFTER_FAILURE_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class Addresses:
    """What the registry says."""

    table_name: str
    queue_url: str
    dead_letter_queue_url: str
    client_id: str
    catalogue: Catalogue


class Registry(Protocol):
    """Where the addresses come from."""

    def read(self) -> Addresses:
        """What holds now; raises `Misconfigured` or `Unavailable`."""


class SsmRegistry:
    """All parameters below the prefix in one call; the last good answer outlives an outage."""

    def __init__(
        self, client: "SSMClient", prefix: str, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._provider = SSMProvider(boto3_client=client)
        self._prefix = prefix
        self._monotonic = monotonic
        self._ask_again_at = 0.0
        self._values: Mapping[str, object] | None = None
        self._addresses: Addresses | None = None

    def read(self) -> Addresses:
        """See `Registry`."""
        if self._addresses is not None and self._monotonic() < self._ask_again_at:
            return self._addresses
        try:
            values = self._provider.get_multiple(
                self._prefix, max_age=MAX_AGE_SECONDS, recursive=True, MaxResults=PAGE_SIZE
            )
        except GetParameterError as error:
            if self._addresses is None:
                raise Unavailable("The registry did not answer.") from error
            self._ask_again_at = self._monotonic() + PAUSE_AFTER_FAILURE_SECONDS
            logger.warning("the registry did not answer; going on with what it said before")
            return self._addresses
        if self._addresses is None or values is not self._values:
            self._addresses = read_addresses(self._prefix, values)
            self._values = values
        return self._addresses


def read_addresses(prefix: str, values: Mapping[str, object]) -> Addresses:
    """The addresses among the parameters below `prefix`; raises `Misconfigured`."""

    def value(parameter: Parameter) -> str:
        found = values.get(parameter.value)
        if not isinstance(found, str) or not found:
            raise Misconfigured(
                f"The registry has no {parameter.under(prefix)}; apply the deployment again."
            )
        return found

    try:
        catalogue = decode_catalogue(value(Parameter.MODELS))
    except ContractError as error:
        raise Misconfigured(f"{Parameter.MODELS.under(prefix)} cannot be read: {error}") from error
    if not catalogue.models:
        raise Misconfigured(f"{Parameter.MODELS.under(prefix)} names no model.")
    return Addresses(
        table_name=value(Parameter.TABLE_NAME),
        queue_url=value(Parameter.QUEUE_URL),
        dead_letter_queue_url=value(Parameter.DEAD_LETTER_QUEUE_URL),
        client_id=value(Parameter.CLIENT_ID),
        catalogue=catalogue,
    )
