"""`python -m aistratus_local redrive …`: the operator's command for the demo that runs here.

For a deployment, use `make redrive ENV=…`.
"""

import os
import sys
from collections.abc import Sequence
from typing import Final

from aistratus_contracts.registry import REGISTRY_VARIABLE
from aistratus_local.errors import LocalError, Usage
from aistratus_local.ports import VARIABLES, PortNumbers, port_of
from aistratus_local.provision import REGISTRY_PREFIX, aws_environment
from aistratus_local.stack import WITHOUT_PROXY
from aistratus_local.state import find_running, state_folder
from aistratus_router.redrive import run
from aistratus_router.redrive_request import WrongRequest, read_request

NO_SYSTEM: Final = (
    "No demo runs here. Start one with make demo, or name what is deployed: make redrive ENV=dev"
)


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    try:
        request = read_request(arguments)
        os.environ.update(_demo())
    except (WrongRequest, Usage) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except LocalError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return run(request, os.environ)


def _demo() -> dict[str, str]:
    """The environment of the demo that runs here; raises a `LocalError`."""
    variable = VARIABLES["gateway"]
    port = port_of(os.environ.get(variable) or str(PortNumbers().gateway), variable)
    found = find_running(state_folder(port))
    if found is None:
        raise LocalError(NO_SYSTEM)
    environment = {**aws_environment(found.emulator_url, found.access_key), **WITHOUT_PROXY}
    return {**environment, REGISTRY_VARIABLE: REGISTRY_PREFIX}
