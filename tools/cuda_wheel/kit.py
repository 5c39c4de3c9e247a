"""What a bare machine with a card lacks for `make bench-gpu`: a folder that travels to it.

The machine reaches no network: the wheels for its Python, llama.cpp's kernels for its card and
llama-server are brought along. The repository's own code comes with the tree, cuBLAS and CUDA's
runtime are the machine's own, because they are ten times as large as all the rest.
"""

import json
import re
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from cuda_wheel.pack import Built
from housekeeping.errors import HouseError
from housekeeping.process import run
from housekeeping.requirements import Pin, read_pins, render

MOST_MIB: Final = 50
"""With the repository's 12 it is what a lent machine takes: 64 MiB."""

NEEDED: Final = (
    "anyio",
    "certifi",
    "diskcache",
    "gguf",
    "h11",
    "httpcore",
    "httpx",
    "idna",
    "jinja2",
    "llguidance",
    "markupsafe",
    "numpy",
    "pyyaml",
    "typing-extensions",
)
"""What engine and benchmark import, beside llama_cpp."""

PACKAGES: Final = "packages.tar.xz"
"""The kit's packages and llama-server; xz makes them a third smaller than their wheels."""

FACTS: Final = "kit.json"
"""The kit's file that says for which card, Python and processor it is."""

_MARKER: Final = re.compile(r"python_full_version (<|>=) '3\.(\d+)'")
_GLIBC: Final = (5, 12, 17, 24, 27, 28, 31, 34)  # manylinux's, each asked for by its name


@dataclass(frozen=True)
class Facts:
    """For which card, Python and processor a kit is."""

    architecture: str
    python: str
    machine: str


def fill(
    place: Path, facts: Facts, built: Built, lock: Path, pip: Sequence[str], *, log: Path
) -> int:
    """Makes the kit in the folder `place`; returns its bytes.

    Args:
        place: the kit's folder; what is in it is removed first.
        facts: for which machine it is.
        built: llama.cpp for its card.
        lock: the lock file with the versions of `NEEDED`.
        pip: the pip command that fetches them.
        log: the file for pip's output.

    Raises:
        HouseError: a wheel could not be fetched, or the kit is too large to travel.
    """
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=place) as scratch:
        wheels, tree = Path(scratch) / "wheels", Path(scratch) / "tree"
        wheels.mkdir()
        _fetch(wheels, facts, wanted(read_pins(lock), facts.python), pip, log)
        for wheel in (*sorted(wheels.glob("*.whl")), built.wheel):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(tree)  # noqa: S202  each is known by its hash
        shutil.copytree(built.server, tree / "server")
        with tarfile.open(place / PACKAGES, "w:xz") as packages:
            packages.add(tree, arcname="")
    (place / FACTS).write_text(json.dumps(asdict(facts)) + "\n", encoding="utf-8")
    size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    if size > MOST_MIB * 2**20:
        raise HouseError(
            f"The kit has {size / 2**20:.0f} MiB, and {MOST_MIB} can travel: see what in {place} "
            "is large."
        )
    return size


def wanted(pins: Sequence[Pin], python: str) -> list[Pin]:
    """Those of the lock's pins that engine and benchmark import on that Python.

    Raises:
        HouseError: the lock lacks one, or says when it is for in another way than by Python.
    """
    found = [pin for pin in pins if pin.name in NEEDED and _is_for(pin, python)]
    if missing := set(NEEDED) - {pin.name for pin in found}:
        raise HouseError(f"The lock has no {', '.join(sorted(missing))}: run make lock.")
    # pip would read a marker as one about this machine's Python.
    return [replace(pin, marker="") for pin in found]


def _is_for(pin: Pin, python: str) -> bool:
    if not pin.marker:
        return True
    said = _MARKER.fullmatch(pin.marker)
    if said is None:
        raise HouseError(f"{pin.name} is only for {pin.marker}, which a kit cannot tell.")
    older = int(python.partition(".")[2]) < int(said[2])
    return older if said[1] == "<" else not older


def _fetch(wheels: Path, facts: Facts, pins: Sequence[Pin], pip: Sequence[str], log: Path) -> None:
    listed = wheels.with_name("fetch.txt")
    listed.write_text(render(pins), encoding="utf-8")
    command = [*pip, "download", "--no-deps", "--require-hashes", "--only-binary=:all:"]
    command += ["--progress-bar=off", "--disable-pip-version-check", "--implementation=cp"]
    command += [f"--python-version={facts.python}"]
    command += [f"--platform=manylinux_2_{minor}_{facts.machine}" for minor in _GLIBC]
    command += [f"--platform=manylinux2014_{facts.machine}"]
    run(
        [*command, "--dest", str(wheels), "-r", str(listed)],
        log=log,
        failure=f"There are not all wheels for Python {facts.python}, or no network.",
    )
    listed.unlink()
