"""Chooses the instance type that an image is built on, as large as the account's quota allows."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aistratus_operator.cloud.aws import Account
from aistratus_operator.cloud.capacity import describe_types, how_to_ask, quota
from aistratus_operator.cloud.packer import PACKER
from aistratus_operator.errors import OperatorError

FILE: Final = PACKER / "builders.json"
"""By architecture the types that are tried, the quickest first. Packer's template reads it too."""

STANDARD_QUOTA: Final = "L-1216C47A"  # Running On-Demand Standard (A, C, D, H, I, M, R, T, Z)
_STANDARD: Final = re.compile(r"(?:[acdhimrtz]|im|is)\d")


@dataclass(frozen=True, slots=True)
class Builder:
    """What an image is built on; `note` says why it is not the quickest, if it is not."""

    instance_type: str
    vcpus: int
    note: str = ""


def choose_builder(
    account: Account, architecture: str, asked: str = "", file: Path = FILE
) -> Builder:
    """The type asked for, or the quickest that the region has and the quota allows.

    Raises an `OperatorError` if the type is for another architecture, or none can be started.
    """
    known = json.loads(file.read_text(encoding="utf-8"))[architecture]
    names = [asked] if asked else list(known)
    described = describe_types(account, names)
    offered = [described[name] for name in names if name in described]
    if not offered:
        raise OperatorError(
            f"{account.region} has no {' and no '.join(names)} to build the image on. Name "
            'another instance type, such as ARGS="-var instance_type=m5.xlarge", or another '
            "REGION."
        )
    for facts in offered:
        _check_architecture(facts, architecture, known[0])
    vcpus = quota(account, STANDARD_QUOTA) if _STANDARD.match(names[0]) else None
    builders = [
        Builder(facts["InstanceType"], int(facts["VCpuInfo"]["DefaultVCpus"])) for facts in offered
    ]
    if vcpus is None:
        # No right to read quotas, or another quota than this one: EC2 itself says no, if it must.
        return builders[0]
    for builder in builders:
        if builder.vcpus <= vcpus:
            return _noted(account, builder, builders[0], int(vcpus))
    smallest = builders[-1]
    raise OperatorError(
        f"Your account may run {int(vcpus)} vCPUs of standard on-demand instances in "
        f"{account.region}, and {smallest.instance_type}, which builds the image, has "
        f"{smallest.vcpus}. {how_to_ask(account.region, STANDARD_QUOTA, smallest.vcpus)}, then "
        "run the same command again when AWS has agreed."
    )


def _check_architecture(facts: dict[str, Any], architecture: str, fitting: str) -> None:
    supported = facts["ProcessorInfo"]["SupportedArchitectures"]
    if architecture not in supported:
        raise OperatorError(
            f"{facts['InstanceType']} is for {' and '.join(supported)}, and the image for "
            f"{architecture}. Leave instance_type out, or name one such as {fitting}; an image "
            "for another architecture is another VARIANT."
        )


def _noted(account: Account, builder: Builder, first: Builder, vcpus: int) -> Builder:
    if builder == first:
        return builder
    note = (
        f"The quota for standard on-demand instances in {account.region} is {vcpus} vCPUs, too "
        f"few for {first.instance_type} ({first.vcpus}): the image is built on "
        f"{builder.instance_type} ({builder.vcpus}), which takes longer. "
        f"{how_to_ask(account.region, STANDARD_QUOTA, first.vcpus)}."
    )
    return Builder(builder.instance_type, builder.vcpus, note)
