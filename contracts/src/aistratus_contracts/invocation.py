"""What the router tells a function that it invokes."""

from dataclasses import dataclass
from typing import Final

from aistratus_contracts import codec

INVOCATION_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Invocation:
    """The event of one invocation: which place in the table was taken for it, and under what name.

    `holder` is the name; it is the worker's id, too.
    """

    place: int
    holder: str


def encode_invocation(invocation: Invocation) -> str:
    """An invocation as versioned JSON text."""
    return codec.encode(invocation, INVOCATION_VERSION)


def decode_invocation(text: str | bytes) -> Invocation:
    """The reverse of `encode_invocation`; raises a `ContractError`."""
    return codec.decode(Invocation, text, INVOCATION_VERSION)
