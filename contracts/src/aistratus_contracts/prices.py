"""What workers cost, for the choice between them: the registry's `fleet/prices`."""

from dataclasses import dataclass
from math import inf
from typing import Final

from aistratus_contracts import codec
from aistratus_contracts.errors import WrongValue

PRICES_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Prices:
    """USD for one instance's hour, and for one function's second, with all its memory.

    `gpu_usd_per_hour` is None where the deployment has no instances, or no price for their type.
    """

    function_usd_per_second: float
    gpu_usd_per_hour: float | None = None


def encode_prices(prices: Prices) -> str:
    """Prices as versioned JSON text."""
    return codec.encode(prices, PRICES_VERSION)


def decode_prices(text: str | bytes) -> Prices:
    """The reverse of `encode_prices`; raises a `ContractError`."""
    prices = codec.decode(Prices, text, PRICES_VERSION)
    for name in ("function_usd_per_second", "gpu_usd_per_hour"):
        usd = getattr(prices, name)
        if usd is not None and not 0 < usd < inf:
            raise WrongValue("Prices", name, "more than 0", str(usd))
    return prices
