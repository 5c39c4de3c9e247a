"""A module's variables and outputs, as a page."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from housekeeping import ROOT
from terraform_pages.reader import Block, blocks

TERRAFORM: Final = ROOT / "terraform"
MADE: Final = "<!-- From here on made by `make terraform-pages` from the code; do not edit. -->"
_MAX_DEFAULT: Final = 60


def folders() -> list[Path]:
    """The composition, the bootstrap and every module."""
    return sorted(path.parent for path in TERRAFORM.rglob("variables.tf"))


def page(folder: Path) -> str:
    """The README of one folder as it should be; the hand-written beginning is kept."""
    readme = folder / "README.md"
    written = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    head = written.partition(MADE)[0].rstrip() or f"# {folder.name}"
    return "\n".join([head, "", MADE, "", *_lines(folder)])


def _lines(folder: Path) -> Iterator[str]:
    if introduction := _introduction(folder / "main.tf"):
        yield introduction
        yield ""
    variables = blocks(folder / "variables.tf", "variable")
    if variables:
        yield "| variable | type | default | |"
        yield "|---|---|---|---|"
        yield from (_row(_name(each), *_kind(each), each.text("description")) for each in variables)
        yield ""
    outputs = blocks(folder / "outputs.tf", "output")
    if outputs:
        yield "| output | |"
        yield "|---|---|"
        yield from (_row(_name(each), each.text("description")) for each in outputs)
        yield ""


def _introduction(path: Path) -> str:
    """The first comment of a file, before the first blank line."""
    sentences: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.removeprefix("#").strip()
        if not line.startswith("#") or not words:
            break
        sentences.append(words)
    return " ".join(sentences)


def _name(block: Block) -> str:
    sensitive = block.attributes.get("sensitive") == "true"
    return f"`{block.name}`{' (sensitive)' if sensitive else ''}"


def _kind(variable: Block) -> tuple[str, str]:
    """A variable's type and default."""
    kind = f"`{variable.attributes['type']}`"
    default = variable.attributes.get("default")
    if default is None:
        return kind, "**required**"
    if default in ('""', "null", "[]", "{}"):
        return kind, "none"
    return kind, f"`{default}`" if len(default) <= _MAX_DEFAULT else "see variables.tf"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
