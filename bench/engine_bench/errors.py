"""What can go wrong in a benchmark."""

from typing import Final

import httpx

from aistratus_contracts.errors import ContractError
from aistratus_daemon.errors import DaemonError
from aistratus_local.errors import LocalError


class BenchError(Exception):
    """A measurement that could not be made; the text says why."""


# Errors with which a contender may fail; the others are still measured.
FAILURES: Final = (BenchError, ContractError, DaemonError, LocalError, OSError, httpx.HTTPError)
