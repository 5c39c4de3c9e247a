"""Announces the end of the local system's instance, as AWS would."""

import http.client
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from aistratus_local.errors import LocalError

ENDING_PATH: Final = "/local/ending"
TIMEOUT_SECONDS: Final = 5.0


class Ending(StrEnum):
    """What ends it: Spot in two minutes, Spot perhaps soon, or Auto Scaling."""

    SPOT = "spot"
    REBALANCE = "rebalance"
    TERMINATION = "termination"


def end_instance(imds_url: str, ending: Ending) -> None:
    """Announce in the instance's metadata that it will end; raises `LocalError`."""
    _tell(imds_url, "PUT", ending.value)


def next_instance(imds_url: str) -> None:
    """Put a new instance in its place, with no ending announced; raises `LocalError`."""
    _tell(imds_url, "DELETE", None)


def _tell(imds_url: str, method: str, body: str | None) -> None:
    connection = http.client.HTTPConnection(urlsplit(imds_url).netloc, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(method, ENDING_PATH, body)
        status = connection.getresponse().status
    except OSError as error:
        raise LocalError(
            f"The metadata service at {imds_url} does not answer ({error}). Its log, imds.log, "
            "is where the demo says that its logs are."
        ) from None
    finally:
        connection.close()
    if status != http.client.NO_CONTENT:
        raise LocalError(f"What answers at {imds_url} ({status}) is not this demo's; restart it.")
