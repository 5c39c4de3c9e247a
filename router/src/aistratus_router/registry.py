"""The ids that the router works with, from SSM, cached for a minute."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from aistratus_contracts.errors import ContractError
from aistratus_contracts.limits import (
    DEFAULT_IDLE_TIMEOUT_SECONDS,
    MAX_IDLE_TIMEOUT_SECONDS,
    MIN_IDLE_TIMEOUT_SECONDS,
)
from aistratus_contracts.models import Catalogue, decode_catalogue
from aistratus_contracts.registry import Parameter
from aistratus_contracts.schedule import NO_SCHEDULE, Schedule, decode_schedule
from aistratus_router.errors import Misconfigured, Unavailable
from aistratus_router.log import logger

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

MAX_AGE_SECONDS: Final = 60
# The largest page that GetParametersByPath returns. With a fleet, there are two pages.
PAGE_SIZE: Final = 10
PAUSE_AFTER_FAILURE_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class Addresses:
    """What the registry says; `group_name` is empty where there is no fleet."""

    table_name: str
    queue_url: str
    dead_letter_queue_url: str
    client_id: str
    catalogue: Catalogue
    group_name: str = ""
    idle_timeout_seconds: int = DEFAULT_IDLE_TIMEOUT_SECONDS
    schedule: Schedule = NO_SCHEDULE


class Registry(Protocol):
    """Where the addresses come from."""

    def read(self) -> Addresses:
        """The current addresses; raises `Misconfigured` or `Unavailable`."""

    def set_idle_timeout(self, seconds: int) -> None:
        """Set it for all processes; those with a cached registry see it within a minute."""


class SsmRegistry:
    """All parameters below the prefix, page by page; the last good answer outlives an outage."""

    def __init__(
        self, client: "SSMClient", prefix: str, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
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
            logger.warning("the registry did not answer; its last values are used")
            return self._addresses
        if self._addresses is None or values is not self._values:
            self._addresses = read_addresses(self._prefix, values)
            self._values = values
        return self._addresses

    def set_idle_timeout(self, seconds: int) -> None:
        """See `Registry`."""
        self._client.put_parameter(
            Name=Parameter.IDLE_TIMEOUT.under(self._prefix),
            Value=str(seconds),
            Type="String",
            Overwrite=True,
        )
        if self._addresses is not None:
            self._addresses = replace(self._addresses, idle_timeout_seconds=seconds)


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
        group_name=str(values.get(Parameter.FLEET_GROUP.value, "")),
        idle_timeout_seconds=_idle_timeout(prefix, values.get(Parameter.IDLE_TIMEOUT.value)),
        schedule=_schedule(prefix, values.get(Parameter.SCHEDULE.value)),
    )


def _idle_timeout(prefix: str, value: object) -> int:
    """The idle timeout; the default for an invalid value, which must not keep the GPU on."""
    if value is None:
        return DEFAULT_IDLE_TIMEOUT_SECONDS
    text = str(value)
    if text.isascii() and text.isdigit() and len(text) <= 10:
        seconds = int(text)
        if MIN_IDLE_TIMEOUT_SECONDS <= seconds <= MAX_IDLE_TIMEOUT_SECONDS:
            return seconds
    logger.error(
        "the idle timeout is not valid; the default is used",
        parameter=Parameter.IDLE_TIMEOUT.under(prefix),
        seconds=DEFAULT_IDLE_TIMEOUT_SECONDS,
    )
    return DEFAULT_IDLE_TIMEOUT_SECONDS


def _schedule(prefix: str, value: object) -> Schedule:
    """The schedule; none for an invalid value, which must not keep the GPU on."""
    if value is None:
        return NO_SCHEDULE
    try:
        return decode_schedule(str(value))
    except ContractError as error:
        logger.error(
            "the schedule is not valid; there is none",
            parameter=Parameter.SCHEDULE.under(prefix),
            why=str(error),
        )
        return NO_SCHEDULE
