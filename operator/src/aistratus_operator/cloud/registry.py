"""Lets the router's code, run by an operator, find a deployment through its registry."""

from aistratus_contracts.registry import REGISTRY_VARIABLE
from aistratus_operator.cloud.aws import Account
from aistratus_operator.cloud.environments import Environment
from aistratus_operator.errors import OperatorError
from aistratus_router.errors import Misconfigured
from aistratus_router.ports import Ports


def open_registry(account: Account, environment: Environment) -> dict[str, str]:
    """The router's environment variables; raises an `OperatorError` if nothing is deployed."""
    environ = {REGISTRY_VARIABLE: environment.registry_prefix, "AWS_REGION": account.region}
    try:
        Ports.from_environment(environ).registry.read()
    except Misconfigured as error:
        raise OperatorError(
            f"{environment.name} is not deployed in {account.region}, or not whole: {error} "
            f"That is: make deploy ENV={environment.name} REGION={account.region}"
        ) from error
    return environ
