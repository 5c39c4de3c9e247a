"""The instance types that the image is made for, read from `terraform/instance_types.json`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aistratus_operator import ROOT

FILE: Final = ROOT / "terraform" / "instance_types.json"


@dataclass(frozen=True, slots=True)
class InstanceType:
    """One type: whether it is a default, and its card's CUDA architecture.

    A default type has its on-demand price and how that is confirmed (`cost_sheet/prices.toml`).
    """

    type: str
    default: bool
    cuda_architecture: int
    usd_per_hour: float = 0.0
    confirmed: str = "no"


def known_instance_types(file: Path = FILE) -> list[InstanceType]:
    """All types; the first default is the first choice."""
    return [InstanceType(**facts) for facts in json.loads(file.read_text(encoding="utf-8"))]


def default_instance_types() -> list[InstanceType]:
    """The types that Terraform uses unless an environment sets others."""
    return [each for each in known_instance_types() if each.default]
