"""The values of `MODEL`. Needs only the standard library: make runs it before installing."""

from typing import Final

from aistratus_contracts.known_models import known_models
from aistratus_local.errors import Usage

STANDIN: Final = "standin"
CHOICES: Final = (STANDIN, *known_models())


class UnknownModel(Usage):
    """`MODEL` names an unknown model."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is no model {name!r} here. Choose one of: {', '.join(CHOICES)} "
            "(for example: make demo MODEL=tinyllama)."
        )


def check_choice(name: str) -> str:
    """The name, if it is known; raises `UnknownModel`."""
    if name not in CHOICES:
        raise UnknownModel(name)
    return name
