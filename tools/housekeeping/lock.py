"""Compiles `requirements/*.txt` from the components' own pyproject.toml files.

The widest set is solved first and fixes the versions of all others, so that each package has one
version in the whole repository. The files name no registry: every file has its SHA-256.
"""

import os
import subprocess
import tempfile
import tomllib
from pathlib import Path

from housekeeping import COMPONENTS, ROOT
from housekeeping.console import say
from housekeeping.errors import HouseError
from housekeeping.requirements import Pin, read_pins

OLDEST_PYTHON = "3.11"

INSTALLER = ("editables", "hatchling", "pip", "uv")
"""What installs the rest, and builds our own packages."""

BUILD = ("cmake", "ninja", "pip", "scikit-build-core[pyproject]", "setuptools")
"""What the sources of llama-cpp-python and systemd-python are built with."""

IMAGE = "image"
"""The extra of a component with what only the image installs."""

WITHOUT_DEPENDENCIES = """\
[[dependency-metadata]]
name = "systemd-python"
version = "235"
requires-dist = []
"""
"""For uv, which would otherwise build this source, with libsystemd's headers, to read them."""

NAMES = ("setup", "build", "dev")
"""The files that together hold every package of `.venv`."""

APART = {
    "checks": "What checks Terraform, in an environment of its own.",
    "wheels": "What builds a release's wheels of llama-cpp-python, in an environment of its own.",
}
"""What fits with nothing else: each is solved by itself, from the file of that name."""

UNPACKED = {
    "cuda": "NVIDIA's compiler and libraries, for llama.cpp's kernels: unpacked into the cache.",
}
"""What is installed in no environment, and solved by itself too."""

HEADER = """\
# {title}
# Made by `make lock` from the pyproject.toml files; do not edit.
"""


def lock() -> None:
    """Writes every lock file.

    Raises:
        HouseError: the versions do not fit together.
    """
    own = {each: dependencies(ROOT / each / "pyproject.toml") for each in COMPONENTS}
    demo = sorted({line for lines in own.values() for line in lines})
    dev = [*demo, *_lines(ROOT / "requirements" / "dev.in")]
    image = dependencies(ROOT / "daemon" / "pyproject.toml", on_image=True)
    with tempfile.TemporaryDirectory() as scratch:
        everything = Path(scratch) / "everything.txt"
        if not os.environ.get("UPGRADE"):
            everything.write_text(_pinned_now(), encoding="utf-8")  # kept if they still fit
        _compile([*dev, *image, *INSTALLER, *BUILD], everything, None)
        for name, title, lines in (
            ("setup", "What installs the rest, and builds our own packages.", list(INSTALLER)),
            ("build", "What the daemon's two source packages are built with.", list(BUILD)),
            ("router", "The router's Lambda package.", own["router"]),
            ("daemon", "The two services on the instance.", image),
            ("desktop", "The app.", own["desktop"]),
            ("operator", "The operator's commands, without the demo.", _with_own("operator")),
            ("demo", "All parts on one machine.", demo),
            ("dev", "All parts, and what tests, checks and locks them.", dev),
        ):
            target = ROOT / "requirements" / f"{name}.txt"
            half = Path(scratch) / f"{name}.txt"
            _compile(lines, half, everything)
            _write(target, title, half)
    for name, title in {**APART, **UNPACKED}.items():
        lock_apart(name, title)


def lock_apart(name: str, title: str) -> None:
    """Writes a lock file that is solved by itself, from the file of that name.

    Raises:
        HouseError: the versions do not fit together.
    """
    target = ROOT / "requirements" / f"{name}.txt"
    with tempfile.TemporaryDirectory() as scratch:
        kept = Path(scratch) / "kept.txt"
        kept.write_text("", encoding="utf-8")
        if not os.environ.get("UPGRADE"):
            kept.write_text(_pinned(_read(target)), encoding="utf-8")
        half = Path(scratch) / f"{name}.txt"
        _compile(_lines(target.with_suffix(".in")), half, kept)
        _write(target, title, half)


def _write(target: Path, title: str, half: Path) -> None:
    text = half.read_text(encoding="utf-8")
    target.write_text(HEADER.format(title=title) + text, encoding="utf-8")
    say(f"requirements/{target.name}: {text.count('==')} packages")


def dependencies(project: Path, *, on_image: bool = False) -> list[str]:
    """The third-party requirements of a component, including its extras.

    `on_image` includes those that only the image installs.
    """
    table = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    lines = list(table.get("dependencies", []))
    for extra, more in table.get("optional-dependencies", {}).items():
        if on_image or extra != IMAGE:
            lines += more
    return sorted(line for line in lines if not line.startswith("aistratus-"))


def _with_own(component: str) -> list[str]:
    """The third-party requirements of a component and of those of ours that it depends on."""
    found = {component}
    todo = [component]
    while todo:
        text = (ROOT / todo.pop() / "pyproject.toml").read_text(encoding="utf-8")
        lines = tomllib.loads(text)["project"].get("dependencies", [])
        names = {line.partition("[")[0].removeprefix("aistratus-") for line in lines}
        todo += sorted(names & set(COMPONENTS) - found)
        found |= names & set(COMPONENTS)
    each = (dependencies(ROOT / name / "pyproject.toml") for name in sorted(found))
    return sorted({line for lines in each for line in lines})


def _compile(lines: list[str], target: Path, constraint: Path | None) -> None:
    source = target.with_suffix(".in")
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = target.with_suffix(".toml")
    settings.write_text(WITHOUT_DEPENDENCIES, encoding="utf-8")
    command = [str(ROOT / ".venv" / "bin" / "uv"), "pip", "compile", str(source), "-q"]
    command += ["--universal", "--python-version", OLDEST_PYTHON, "--generate-hashes"]
    command += [
        "--no-emit-index-url",
        "--no-header",
        "--no-annotate",
        "--config-file",
        str(settings),
    ]
    command += ["--constraint", str(constraint)] if constraint else []
    done = subprocess.run(
        [*command, "-o", str(target)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise HouseError(f"The versions do not fit together:\n{done.stderr.strip()}")


def _pinned_now() -> str:
    """The current pins of the whole repository, each once."""
    return _pinned([pin for name in NAMES for pin in _read(ROOT / "requirements" / f"{name}.txt")])


def _pinned(pins: list[Pin]) -> str:
    lines = {f"{pin.name}=={pin.version} ; {pin.marker}\n".replace(" ; \n", "\n") for pin in pins}
    return "".join(sorted(lines))


def _read(path: Path) -> list[Pin]:
    return read_pins(path) if path.is_file() else []


def _lines(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]
