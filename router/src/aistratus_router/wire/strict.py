"""The rules that hold for everything a caller sends: what is not known is refused, by name.

A whole number may be written `5` or `5.0`: JSON Schema calls both an integer.
"""

from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _whole(value: Any) -> Any:
    """`5.0` is the integer 5; everything else is left for the strict check."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _digits(value: Any) -> Any:
    """The digits of a query string as an integer; anything else is left to be refused."""
    is_number = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10
    return int(value) if is_number else value


Whole = BeforeValidator(_whole)
Digits = BeforeValidator(_digits)


class Strict(BaseModel):
    """What all that callers say has in common: no unknown fields, no guessed types.

    A model is built when it is first used: most starts are for one route only.
    """

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, defer_build=True
    )
