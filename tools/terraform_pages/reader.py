"""Reads the blocks of a Terraform file that `terraform fmt` has laid out.

It is not a parser of the language: it relies on fmt's indentation and so needs no library. It
refuses what it does not understand.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_ATTRIBUTE = re.compile(r"^  (\w+)\s*= (.*)$")
_NESTED = re.compile(r"^  (\w+)( \"\w+\")* \{")


class Unreadable(Exception):
    """A file has a layout that this reader does not understand."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block such as `variable "name" {…}`.

    `attributes` has each value's text on one line; `nested` has the kinds of nested blocks.
    """

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    nested: set[str] = field(default_factory=set)

    def text(self, attribute: str) -> str:
        """A quoted string's content; empty if the attribute is not there."""
        quoted = self.attributes.get(attribute)
        return "" if quoted is None else str(json.loads(quoted))


def blocks(path: Path, kind: str) -> list[Block]:
    """The blocks of that kind with one label, in the file's order; raises `Unreadable`."""
    found: list[Block] = []
    lines = iter(path.read_text(encoding="utf-8").splitlines())
    for line in lines:
        if not line.startswith(f"{kind} "):
            continue
        opened = re.fullmatch(rf'{kind} "(\w+)" \{{', line)
        if opened is None:
            raise Unreadable(f"{path}: {line!r} should open a block of several lines.")
        found.append(_read(opened[1], lines))
    return found


def _read(name: str, lines: Iterator[str]) -> Block:
    """The content of a block, up to its closing brace."""
    block = Block(name)
    values: dict[str, list[str]] = {}
    current: list[str] = []
    for line in lines:
        if line == "}":
            break
        if attribute := _ATTRIBUTE.match(line):
            current = values.setdefault(attribute[1], [attribute[2]])
        elif nested := _NESTED.match(line):
            block.nested.add(nested[1])
            current = []
        elif not line.strip().startswith("#"):
            current.append(line)
    block.attributes.update({key: _on_one_line(parts) for key, parts in values.items()})
    return block


def _on_one_line(parts: list[str]) -> str:
    """A value of several lines, joined into one."""
    first, *rest = (" ".join(part.split()) for part in parts if part.strip())
    if not rest:
        return first
    *middle, last = (part.rstrip(",") for part in rest)
    return f"{first} {', '.join(middle)} {last}"
