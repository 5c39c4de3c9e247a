"""What a smoke test may take: time, money, and how both are kept."""

from dataclasses import dataclass
from typing import Final

from aistratus_operator.cloud.environments import Environment
from aistratus_operator.cloud.instance_types import known_instance_types
from aistratus_operator.errors import OperatorError

LIMIT_SECONDS: Final = 15 * 60
# The last part of that is for removing everything: a group lets its instance drain first.
REMOVAL_SECONDS: Final = 4 * 60
LIMIT_USD: Final = 1.00
# While one instance is replaced, both are paid for.
_INSTANCES: Final = 2
# Requests, logs, and volumes that are loaded at a set rate: a few cents (docs/cost.md).
_REST_USD: Final = 0.10


@dataclass(frozen=True, slots=True)
class Bounds:
    """The highest cost and time of a run, and after how long it stops asking."""

    usd: float
    seconds: int = LIMIT_SECONDS
    working_seconds: int = LIMIT_SECONDS - REMOVAL_SECONDS


def bounds_of(environment: Environment) -> Bounds:
    """The bounds of an environment's run, at the on-demand price of its dearest type.

    Raises an `OperatorError` if a price is not known, or if the run could cost more than a USD.
    """
    prices = {each.type: each.usd_per_hour for each in known_instance_types()}
    unknown = [name for name in environment.instance_types if not prices.get(name)]
    file = f"terraform/envs/{environment.name}.tfvars"
    if unknown:
        raise OperatorError(
            f"The price of {', '.join(unknown)} is not known, so nobody can say what the run may "
            f"cost. Write it into terraform/instance_types.json, or set instance_types in {file}."
        )
    dearest = max(prices[name] for name in environment.instance_types)
    usd = _INSTANCES * dearest * LIMIT_SECONDS / 3600 + _REST_USD
    if usd > LIMIT_USD:
        raise OperatorError(
            f"With {', '.join(environment.instance_types)} a run could cost {usd:.2f} USD, more "
            f"than {LIMIT_USD:.2f}. Set cheaper instance_types in {file}."
        )
    return Bounds(usd)
