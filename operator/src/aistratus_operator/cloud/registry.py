"""Lets the router's code, run by an operator, find a deployment through its registry."""

from botocore.exceptions import ClientError

from aistratus_contracts.registry import REGISTRY_VARIABLE, Parameter
from aistratus_operator.cloud.aws import Account, code_of, said_by
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


def read_all(account: Account, environment: Environment) -> dict[Parameter, str]:
    """A deployment's ids by their names; empty if nothing is deployed."""
    prefix = environment.registry_prefix
    pages = account.client("ssm").get_paginator("get_parameters_by_path")
    found = {
        each["Name"].removeprefix(f"{prefix}/"): str(each["Value"])
        for page in pages.paginate(Path=prefix, Recursive=True)
        for each in page["Parameters"]
    }
    return {parameter: found[parameter] for parameter in Parameter if parameter in found}


def read_parameter(account: Account, environment: Environment, parameter: Parameter) -> str:
    """One of a deployment's ids; raises an `OperatorError` if nothing is deployed."""
    name = parameter.under(environment.registry_prefix)
    try:
        found = account.client("ssm").get_parameter(Name=name)
    except ClientError as error:
        if code_of(error) == "ParameterNotFound":
            raise OperatorError(
                f"{environment.name} is not deployed in {account.region}. Deploy it first: "
                f"make deploy ENV={environment.name} REGION={account.region}"
            ) from error
        raise OperatorError(
            f"The registry cannot be read: {said_by(error)}. Get the right to read {name}."
        ) from error
    return str(found["Parameter"]["Value"])
