"""Lets the router's code, run by an operator, find a deployment through its registry."""

from aistratus_contracts.registry import REGISTRY_VARIABLE
from aistratus_router.errors import Misconfigured
from aistratus_router.ports import Ports
from cloud.aws import Account
from cloud.environments import Environment
from cloud.errors import CloudError


def open_registry(account: Account, environment: Environment) -> dict[str, str]:
    """The router's environment variables; raises a `CloudError` if nothing is deployed."""
    environ = {REGISTRY_VARIABLE: environment.registry_prefix, "AWS_REGION": account.region}
    try:
        Ports.from_environment(environ).registry.read()
    except Misconfigured as error:
        raise CloudError(
            f"{environment.name} is not deployed in {account.region}, or not whole: {error} "
            f"That is: make deploy ENV={environment.name} REGION={account.region}"
        ) from error
    return environ
