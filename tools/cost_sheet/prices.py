"""Reads the price file: the cost of each unit, its source, and how well it is confirmed."""

import datetime
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aistratus_operator.cloud.instance_types import InstanceType, default_instance_types
from cost_sheet.errors import CostError

FILE: Final = Path(__file__).with_name("prices.toml")
CONFIRMATIONS: Final = ("list", "seen", "derived", "no")


@dataclass(frozen=True, slots=True)
class Price:
    """One price. Every account gets `free` units per month without charge, permanently."""

    name: str
    usd: float
    per: str
    address: str
    confirmed: str
    free: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Prices:
    """All prices of one region, as of one day."""

    checked: datetime.date
    region: str
    by_name: Mapping[str, Price]

    def __getitem__(self, name: str) -> Price:
        """The price of that name; raises `CostError` if the file has none."""
        try:
            return self.by_name[name]
        except KeyError as error:
            raise CostError(f"{FILE.name} has no price {name!r}; add it there.") from error


def read_prices(file: Path = FILE) -> Prices:
    """The file's prices; raises `CostError` for the first invalid one."""
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    sources = table["sources"]
    entries = {
        instance_price(each.type): _instance_entry(each) for each in default_instance_types()
    } | table["prices"]
    found = {name: _price(name, entry, sources) for name, entry in entries.items()}
    return Prices(table["checked"], table["region"], found)


def instance_price(instance_type: str) -> str:
    """The name of that type's on-demand price per hour."""
    return instance_type.replace(".", "_")


def _instance_entry(known: InstanceType) -> Mapping[str, Any]:
    """An instance type's price, kept with its other facts, in the price file's form."""
    return {
        "usd": known.usd_per_hour,
        "per": "hour",
        "source": "ec2",
        "confirmed": known.confirmed,
    }


def _price(name: str, entry: Mapping[str, Any], sources: Mapping[str, str]) -> Price:
    unknown = set(entry) - {"usd", "per", "source", "confirmed", "free", "note"}
    if unknown:
        raise CostError(f"The price {name!r} has a field that nobody knows: {min(unknown)}.")
    if entry["confirmed"] not in CONFIRMATIONS:
        raise CostError(f"The price {name!r} is confirmed by one of {', '.join(CONFIRMATIONS)}.")
    if entry["usd"] < 0 or entry.get("free", 0) < 0:
        raise CostError(f"The price {name!r} is negative.")
    return Price(
        name=name,
        usd=float(entry["usd"]),
        per=entry["per"],
        address=sources[entry["source"]],
        confirmed=entry["confirmed"],
        free=float(entry.get("free", 0)),
        note=entry.get("note", ""),
    )
