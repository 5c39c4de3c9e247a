"""The models that can be asked for, as the registry lists them."""

from dataclasses import dataclass
from typing import Final

from aistratus_contracts import codec

CATALOGUE_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model. `context` is in tokens and holds prompt and answer together."""

    id: str
    title: str
    context: int
    default_max_tokens: int
    default_temperature: float
    license: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The models of one deployment; the first is the default."""

    models: tuple[ModelCard, ...]

    @property
    def default(self) -> ModelCard:
        """The model for a request that names none."""
        return self.models[0]

    def find(self, model_id: str) -> ModelCard | None:
        """The card with that id, if there is one."""
        return next((card for card in self.models if card.id == model_id), None)


def encode_catalogue(catalogue: Catalogue) -> str:
    """A catalogue as versioned JSON text: the value of the registry's `models`."""
    return codec.encode(catalogue, CATALOGUE_VERSION)


def decode_catalogue(text: str | bytes) -> Catalogue:
    """The reverse of `encode_catalogue`; raises a `ContractError`."""
    return codec.decode(Catalogue, text, CATALOGUE_VERSION)
