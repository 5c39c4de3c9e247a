"""The models that an image can be baked with, read from `models.json` beside this module.

That file is the only source of their facts; Packer and Terraform read it too.
"""

import json
from dataclasses import dataclass
from importlib.resources import files

from aistratus_contracts.models import ModelCard


@dataclass(frozen=True, slots=True)
class Weights:
    """A model's file: its name, its download URL, its size in bytes and its digest."""

    file: str
    url: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class KnownModel:
    """What the API says about a model, and the model's weights."""

    card: ModelCard
    weights: Weights


def known_models() -> dict[str, KnownModel]:
    """The models by the short names that commands take, in the file's order."""
    text = (files("aistratus_contracts") / "models.json").read_text(encoding="utf-8")
    return {
        name: KnownModel(ModelCard(**facts["card"]), Weights(**facts["weights"]))
        for name, facts in json.loads(text).items()
    }
