"""Checks whether the account may start a GPU, and whether the region has one."""

from collections.abc import Sequence
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from aistratus_operator.cloud.aws import Account, code_of
from aistratus_operator.cloud.environments import Environment
from aistratus_operator.cloud.instance_types import known_instance_types
from aistratus_operator.errors import OperatorError

# Quotas count vCPUs, and the smallest GPU instance (.xlarge) has four.
SMALLEST_VCPUS: Final = 4
ON_DEMAND_QUOTA: Final = "L-DB2E81BA"  # Running On-Demand G and VT instances
SPOT_QUOTA: Final = "L-3819A6DF"  # All G and VT Spot Instance Requests
# What to ask for. On Spot a replacement starts beside the instance that it replaces.
_WANTED_VCPUS: Final = {ON_DEMAND_QUOTA: SMALLEST_VCPUS, SPOT_QUOTA: 2 * SMALLEST_VCPUS}
_NAMES: Final = {ON_DEMAND_QUOTA: "on-demand", SPOT_QUOTA: "Spot"}


def check_offerings(account: Account, environment: Environment) -> list[str]:
    """The environment's instance types that the region has.

    Raises an `OperatorError` if it has none of them.
    """
    ec2 = account.client("ec2")
    wanted = list(environment.instance_types)
    try:
        offered = _offered(ec2, wanted)
        if offered:
            return offered
        others = _offered(ec2, sorted(each.type for each in known_instance_types()))
    except ClientError as error:
        if code_of(error) != "UnauthorizedOperation":
            raise
        raise OperatorError(
            "Your credentials may not ask which instance types the region has. Get the right to "
            "ec2:DescribeInstanceTypeOfferings, then run the same command again."
        ) from error
    file = f"terraform/envs/{environment.name}.tfvars"
    listed = ", ".join(wanted)
    if others:
        raise OperatorError(
            f"{account.region} has none of {listed}. It has {', '.join(others)}: set "
            f"instance_types to those in {file}, or set another REGION."
        )
    raise OperatorError(
        f"{account.region} has none of {listed}, nor another GPU that the image is made for. "
        "Set another REGION, such as eu-central-1."
    )


def check_quotas(account: Account, environment: Environment) -> list[str]:
    """Warnings about quotas.

    Raises an `OperatorError` with the way to ask for more, if no GPU could ever start.
    """
    codes = [ON_DEMAND_QUOTA] if environment.on_demand_only else [SPOT_QUOTA, ON_DEMAND_QUOTA]
    quotas = {code: quota(account, code) for code in codes}
    small = [code for code, vcpus in quotas.items() if vcpus is not None and vcpus < SMALLEST_VCPUS]
    if small == codes:
        kinds = " nor ".join(_NAMES[code] for code in codes)
        start = f"neither {kinds}" if len(codes) > 1 else f"no {kinds}"
        raise OperatorError(
            f"Your account may start {start} GPU instances in {account.region}: the quota is "
            f"{int(quotas[codes[-1]] or 0)} vCPUs, and the smallest needs {SMALLEST_VCPUS}. "
            f"{how_to_ask(account.region, codes[-1], _WANTED_VCPUS[codes[-1]])}, then run the same "
            "command again when AWS has agreed (minutes to days)."
        )
    warnings = []
    for code in small:
        other = next(each for each in codes if each != code)
        warnings.append(
            f"The quota for {_NAMES[code]} GPU instances in {account.region} is "
            f"{int(quotas[code] or 0)} vCPUs: only {_NAMES[other]} ones will start. "
            f"{how_to_ask(account.region, code, _WANTED_VCPUS[code])}."
        )
    if unread := [_NAMES[code] for code, vcpus in quotas.items() if vcpus is None]:
        warnings.append(
            f"The quota for {' and '.join(unread)} GPU instances could not be read. If no "
            "instance starts, look there first: "
            f"{_console(account.region, codes[-1])}"
        )
    return warnings


def _offered(ec2: object, types: list[str]) -> list[str]:
    paginator = ec2.get_paginator("describe_instance_type_offerings")  # type: ignore[attr-defined]
    pages = paginator.paginate(
        LocationType="region", Filters=[{"Name": "instance-type", "Values": types}]
    )
    found = {each["InstanceType"] for page in pages for each in page["InstanceTypeOfferings"]}
    return [each for each in types if each in found]


def describe_types(account: Account, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What EC2 says of those types that the region has."""
    pages = account.client("ec2").get_paginator("describe_instance_types")
    found = pages.paginate(Filters=[{"Name": "instance-type", "Values": list(names)}])
    return {each["InstanceType"]: each for page in found for each in page["InstanceTypes"]}


def quota(account: Account, code: str) -> float | None:
    """The quota in vCPUs; None if it cannot be read, for example for lack of the right."""
    try:
        found = account.client("service-quotas").get_service_quota(
            ServiceCode="ec2", QuotaCode=code
        )
    except (ClientError, BotoCoreError):
        return None
    return float(found["Quota"]["Value"])


def how_to_ask(region: str, code: str, vcpus: int) -> str:
    """How to ask AWS for that many vCPUs; the caller ends the sentence."""
    return (
        "Ask for more with `aws service-quotas request-service-quota-increase --service-code ec2 "
        f"--quota-code {code} --desired-value {vcpus} --region {region}` or at "
        f"{_console(region, code)}"
    )


def _console(region: str, code: str) -> str:
    return f"https://{region}.console.aws.amazon.com/servicequotas/home/services/ec2/quotas/{code}"
