"""Reads and writes the lock files in `requirements/`: pins with hashes, one package each."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)\s*(?:;\s*(?P<marker>[^\\]+))?"
)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Pin:
    """One package of a lock file, with the SHA-256 of each of its acceptable files."""

    name: str
    version: str
    marker: str
    hashes: frozenset[str]

    def render(self) -> str:
        """The requirement as pip and uv read it."""
        marker = f" ; {self.marker}" if self.marker else ""
        hashes = "".join(f" \\\n    --hash=sha256:{digest}" for digest in sorted(self.hashes))
        return f"{self.name}=={self.version}{marker}{hashes}\n"


def read_pins(path: Path) -> list[Pin]:
    """The pins of a lock file, in its order."""
    lines = [
        line
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]
    logical = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [_pin(line, path) for line in logical]


def render(pins: Iterable[Pin]) -> str:
    """The text of a requirements file with `pins`."""
    return "".join(pin.render() for pin in pins)


def canonical(name: str) -> str:
    """A distribution's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _pin(line: str, path: Path) -> Pin:
    match = _PIN.match(line)
    if match is None:
        raise ValueError(f"{path.name} holds a line that is no pin: {line!r}; run make lock.")
    marker = (match["marker"] or "").split("--hash")[0].strip()
    return Pin(
        name=canonical(match["name"]),
        version=match["version"],
        marker=marker,
        hashes=frozenset(_HASH.findall(line)),
    )
