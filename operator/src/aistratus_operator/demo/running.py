"""Finds the demo that runs here, as code for AWS needs it: through environment variables."""

from typing import Final

from aistratus_contracts.registry import REGISTRY_VARIABLE
from aistratus_local.environment import WITHOUT_PROXY
from aistratus_local.provision import REGISTRY_PREFIX, aws_environment
from aistratus_local.state import find_running, state_folder
from aistratus_operator.errors import OperatorError

NO_DEMO: Final = (
    "No demo runs here. Start one with make demo, or name what is deployed: make redrive ENV=dev"
)


def demo_environment(gateway_port: int) -> dict[str, str]:
    """The variables with which boto3 and the router find it; raises `OperatorError` without one."""
    found = find_running(state_folder(gateway_port))
    if found is None:
        raise OperatorError(NO_DEMO)
    environment = {**aws_environment(found.emulator_url, found.access_key), **WITHOUT_PROXY}
    return {**environment, REGISTRY_VARIABLE: REGISTRY_PREFIX}
