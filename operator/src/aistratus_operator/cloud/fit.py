"""Checks that the image can start on the environment's instance types, and use what they have."""

from typing import Any, Final

from aistratus_operator.cloud.aws import Account
from aistratus_operator.cloud.capacity import describe_types
from aistratus_operator.cloud.environments import Environment
from aistratus_operator.cloud.images import Image
from aistratus_operator.cloud.instance_types import default_instance_types
from aistratus_operator.errors import OperatorError

# By architecture: the variant to bake for it, and a type that has a card.
_FOR: Final = {
    "x86_64": ("tinyllama", default_instance_types()[0].type),
    "arm64": ("tinyllama-arm64", "g5g.xlarge"),
}


def check_fit(
    account: Account, environment: Environment, offered: list[str], image: Image
) -> list[str]:
    """Warnings about the image on these types.

    Raises an `OperatorError` if one of the types is for another architecture than the image, or
    has no card for an image that computes on one.
    """
    described = describe_types(account, offered)
    facts = {name: described[name] for name in offered if name in described}
    _check_architecture(account, environment, facts, image)
    cards = [name for name, said in facts.items() if _has_card(said)]
    without = [name for name in facts if name not in cards]
    if image.needs_card and without:
        raise OperatorError(
            f"{_upper(image)} computes on a card, and {_listed(without)} none of NVIDIA's. Set "
            f"instance_types in {_file(environment)} to types with one, such as "
            f"{_FOR[image.architecture][1]}, or take an image that computes on the processor: "
            f"make image VARIANT=cpu REGION={account.region}"
        )
    if image.needs_card is False and cards:
        warning = (
            f"{_upper(image)} computes on the processor, and the card of {', '.join(cards)} would "
            "be paid for and stand idle. Other instance_types are cheaper, and "
            f"make image VARIANT={_FOR[image.architecture][0]} bakes an image for a card."
        )
        return [warning]
    return []


def _check_architecture(
    account: Account, environment: Environment, facts: dict[str, dict[str, Any]], image: Image
) -> None:
    others = {
        name: said["ProcessorInfo"]["SupportedArchitectures"]
        for name, said in facts.items()
        if image.architecture not in said["ProcessorInfo"]["SupportedArchitectures"]
    }
    if not others:
        return
    needed = next(each for kinds in others.values() for each in kinds if each != "i386")
    variant = _FOR.get(needed, ("", ""))[0]
    bake = f"make image VARIANT={variant} REGION={account.region}" if variant else "make image"
    fitting = _FOR.get(image.architecture, ("", "another"))[1]
    raise OperatorError(
        f"{_upper(image)} is for {image.architecture}, and {', '.join(others)} for {needed}. Bake "
        f"one for {needed} ({bake}), or set instance_types in {_file(environment)} to types for "
        f"{image.architecture}, such as {fitting}."
    )


def _has_card(facts: dict[str, Any]) -> bool:
    cards = facts.get("GpuInfo", {}).get("Gpus", [])
    return any(card.get("Manufacturer") == "NVIDIA" for card in cards)


def _upper(image: Image) -> str:
    text = str(image)
    return text[0].upper() + text[1:]


def _listed(names: list[str]) -> str:
    return f"{names[0]} has" if len(names) == 1 else f"{', '.join(names)} have"


def _file(environment: Environment) -> str:
    return f"terraform/envs/{environment.name}.tfvars"
