"""Packer: which one there is, what it is given, and its template.

Only the standard library: `make` checks Packer with this module before it installs anything.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aistratus_operator import ROOT
from aistratus_operator.errors import OperatorError, Usage

PACKER: Final = ROOT / "packer"
TEMPLATE: Final = PACKER / "worker"
VARIABLES_OF_A_VARIANT: Final = ".pkrvars.hcl"
DEFAULT_VARIANT: Final = "tinyllama"

OLDEST: Final = (1, 6, 6)  # Debian's
# From 1.7 on `packer init` installs plugins; from 1.10 on Packer brings none of its own.
_WITH_PLUGINS: Final = (1, 7)

# Packer resolves paths from a template's folder, so the copy lies as deep as the template.
_COPY: Final = ROOT / "build" / "packer"
_NEWER: Final = PACKER / "newer" / "source.hcl"
_PLACE: Final = re.compile(r"^ *# make image puts packer/newer/source\.hcl here.*\n", re.MULTILINE)

_INSTALL: Final = (
    "Install 1.6.6 or newer (https://developer.hashicorp.com/packer/install), and put it on the "
    "PATH."
)


@dataclass(frozen=True, slots=True)
class Packer:
    """An installed Packer: its path and its version, such as (1, 14, 2)."""

    path: str
    version: tuple[int, ...]

    @property
    def takes_plugins(self) -> bool:
        """Whether it gets its plugins by `packer init`; Debian's has them built in."""
        return self.version >= _WITH_PLUGINS


def find() -> Packer:
    """The Packer on the PATH; raises an `OperatorError` if it is missing, another, or too old."""
    path = shutil.which("packer")
    if path is None:
        raise OperatorError(f"Packer is not installed. {_INSTALL}")
    done = subprocess.run(
        [path, "version"],
        env={**os.environ, "CHECKPOINT_DISABLE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    found = re.match(r"Packer v(\d+)\.(\d+)\.(\d+)", done.stdout)
    if found is None:  # cracklib has a program of the same name
        raise OperatorError(f"{path} does not say that it is HashiCorp's Packer. {_INSTALL}")
    version = tuple(map(int, found.groups()))
    if version < OLDEST:
        raise OperatorError(f"Packer {'.'.join(found.groups())} is too old. {_INSTALL}")
    return Packer(path, version)


def check_variant(name: str) -> None:
    """Raises `Usage` if packer/worker has no variant of that name."""
    known = sorted(
        path.name.removesuffix(VARIABLES_OF_A_VARIANT)
        for path in TEMPLATE.glob(f"*{VARIABLES_OF_A_VARIANT}")
    )
    if name not in known:
        raise Usage(f"There is no image {name!r}. Say VARIANT= one of: {', '.join(known)}.")


def variant_file(name: str) -> Path:
    """The file with a variant's variables."""
    return TEMPLATE / f"{name}{VARIABLES_OF_A_VARIANT}"


def given_variables(arguments: Sequence[str]) -> dict[str, str]:
    """The variables that `-var` sets in Packer's arguments; of several the last counts."""
    return {
        name: value
        for each in _values("var", arguments)
        for name, _, value in [each.partition("=")]
    }


def given_files(arguments: Sequence[str]) -> list[Path]:
    """The files that `-var-file` names in Packer's arguments."""
    return [Path(each) for each in _values("var-file", arguments)]


def template_for(packer: Packer, copy: Path = _COPY) -> Path:
    """The folder of the template: for a newer Packer a copy, with what Debian's does not know."""
    if not packer.takes_plugins:
        return TEMPLATE
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(TEMPLATE, copy)
    source = copy / "source.pkr.hcl"
    more = _NEWER.read_text(encoding="utf-8")
    text, places = _PLACE.subn(lambda _: more, source.read_text(encoding="utf-8"))
    if places != 1:
        raise OperatorError(
            f"{TEMPLATE / source.name} has no place for packer/newer/source.hcl. Put back the "
            "comment that names it: git checkout packer/worker/source.pkr.hcl"
        )
    source.write_text(text, encoding="utf-8")
    return copy


def init(packer: Packer) -> None:
    """Install the plugins that are missing; without one missing it needs no network."""
    if not packer.takes_plugins:
        return
    done = subprocess.run(
        [packer.path, "init", str(PACKER / "plugins")],
        env={**os.environ, "CHECKPOINT_DISABLE": "1", "PACKER_NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        said = " ".join(done.stdout.split()) or "it said nothing"
        raise OperatorError(
            f"Packer's plugins cannot be installed: {said[:300].rstrip('.')}. They come from "
            "GitHub: check the connection to github.com, then run the same command again."
        )


def _values(option: str, arguments: Sequence[str]) -> list[str]:
    """The values of one of Packer's options, written with one dash or two, with = or a blank."""
    values = []
    rest = iter(arguments)
    for each in rest:
        name, equals, value = each.partition("=")
        if name in (f"-{option}", f"--{option}"):
            values.append(value if equals else next(rest, ""))
    return values
