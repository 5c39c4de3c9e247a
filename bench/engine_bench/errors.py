"""What can go wrong in a benchmark."""

from typing import Final

import httpx

from aistratus_contracts.errors import ContractError
from aistratus_daemon.errors import DaemonError
from aistratus_local.errors import LocalError


class BenchError(Exception):
    """A measurement that could not be made; the text says why."""


# What a contender may come to grief with; the others are measured all the same.
FAILURES: Final = (BenchError, ContractError, DaemonError, LocalError, OSError, httpx.HTTPError)
