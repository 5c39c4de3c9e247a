"""Pins a release's wheels: its SHA256SUMS becomes `requirements/native.toml`."""

import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

from housekeeping.errors import HouseError
from housekeeping.released import Wheel, wheel_of

SUMS: Final = "SHA256SUMS"
TIMEOUT_SECONDS: Final = 20.0
_MOST_BYTES: Final = 100_000
_LINE: Final = re.compile(r"([0-9a-f]{64}) [ *](\S+)")
_HEADER: Final = """\
# The wheels of llama-cpp-python that a release offers, each by its SHA-256. `make demo` takes the
# one for its processor, and compiles llama.cpp where there is none.
# Made by `make pin-wheels VERSION=v1.2.3` from the release's SHA256SUMS; do not edit.
"""


def pin(release: str, folder_url: str, manifest: Path) -> list[Wheel]:
    """Writes the manifest of the wheels that the release's SHA256SUMS lists.

    Raises:
        HouseError: the release does not answer, or lists no wheels.
    """
    url = f"{folder_url}/{SUMS}"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310  as configured
            text = answer.read(_MOST_BYTES).decode("utf-8")
    except (OSError, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it holds the connection
        raise HouseError(
            f"{url} cannot be read ({error}). Is {release} released, with its wheels?"
        ) from error
    wheels = wheels_in(text)
    if not wheels:
        raise HouseError(f"{url} lists no wheel of llama-cpp-python.")
    manifest.write_text(render(release, wheels), encoding="utf-8")
    return wheels


def wheels_in(sums: str) -> list[Wheel]:
    """The wheels among the lines of a SHA256SUMS file."""
    found = []
    for digest, file in filter(None, (_parts(line) for line in sums.splitlines())):
        if file.endswith(".whl"):
            try:
                found.append(wheel_of(file, digest))
            except ValueError as error:
                raise HouseError(f"{SUMS} lists what it should not: {error}") from error
    return sorted(found, key=lambda wheel: wheel.file)


def render(release: str, wheels: list[Wheel]) -> str:
    """The manifest's text."""
    lines = "".join(f'"{wheel.file}" = "{wheel.sha256}"\n' for wheel in wheels)
    return f'{_HEADER}release = "{release}"\n\n[wheels]\n{lines}'


def _parts(line: str) -> tuple[str, str] | None:
    found = _LINE.fullmatch(line.strip())
    return (found[1], found[2]) if found else None
