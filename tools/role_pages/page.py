"""A role's `meta/argument_specs.yml`, as a page."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from housekeeping import ROOT

MADE: Final = "<!-- Made by `make role-pages` from meta/argument_specs.yml; do not edit. -->"
_MAX_DEFAULT: Final = 60


def roles() -> list[Path]:
    """The folders of all roles."""
    return sorted(path.parents[1] for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"))


def page(role: Path) -> str:
    """The README of one role, as it should be."""
    text = (role / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    spec = yaml.safe_load(text)["argument_specs"]["main"]
    return "\n".join(_lines(role, spec))


def _lines(role: Path, spec: dict[str, Any]) -> Iterator[str]:
    yield f"# {role.name}"
    yield ""
    yield MADE
    yield ""
    for sentence in spec["description"]:
        yield sentence.strip()
        yield ""
    yield "| variable | type | default | |"
    yield "|---|---|---|---|"
    for name, option in spec.get("options", {}).items():
        description = str(option["description"]).strip()
        if "choices" in option:
            description += f" One of {', '.join(f'`{each}`' for each in option['choices'])}."
        cells = (f"`{name}`", _type(option), _default(option), description)
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""
    yield f"It is tried on a booted machine: `cd roles/{role.name} && molecule test`, as root."
    yield ""


def _type(option: dict[str, Any]) -> str:
    kind = str(option["type"])
    return f"{kind} of {option['elements']}" if "elements" in option else kind


def _default(option: dict[str, Any]) -> str:
    if option.get("required"):
        return "**required**"
    value = option.get("default")
    if isinstance(value, list):
        value = ", ".join(str(each) for each in value)
    if value in ("", None) or value == {}:
        return "none"
    shown = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{shown}`" if len(shown) <= _MAX_DEFAULT else "see defaults/main.yml"
