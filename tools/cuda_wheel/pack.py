"""Packs a build: a wheel that holds each library once, stripped, and llama-server beside it."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from housekeeping.errors import HouseError
from housekeeping.process import run

LIBRARIES: Final = ("ggml", "ggml-base", "ggml-cpu", "ggml-cuda", "llama", "mtmd")
"""What llama_cpp loads, and what that needs in turn."""

SERVER: Final = "llama-server"

_PACKAGE: Final = "llama_cpp"
_WHEEL: Final = """\
Wheel-Version: 1.0
Generator: aistratus
Root-Is-Purelib: false
Tag: py3-none-linux_{machine}
"""


@dataclass(frozen=True)
class Built:
    """What a build leaves: a wheel, and a folder with llama-server and its own libraries."""

    wheel: Path
    server: Path


def packed(place: Path) -> Built:
    """What was packed from the build in `place`.

    Raises:
        HouseError: it is not there any more.
    """
    wheels = list((place / "packed").glob("*.whl"))
    server = place / "packed" / "server"
    if len(wheels) != 1 or not (server / SERVER).is_file():
        raise HouseError(f"{place} was built and is not whole: remove it, and run this again.")
    return Built(wheels[0], server)


def pack(source: Path, place: Path, tag: str, machine: str, python: Path, *, log: Path) -> Built:
    """Packs the build in `place`.

    Args:
        source: the unpacked source of llama-cpp-python.
        place: CMake's folder, which has the libraries in `bin`; the wheel goes into `packed`.
        tag: what the wheel is named for.
        machine: the processor's name.
        python: the Python of an environment with the package `wheel`.
        log: the file for the commands' output.

    Raises:
        HouseError: the build lacks a library, or a program failed.
    """
    target = place / "packed"
    shutil.rmtree(target, ignore_errors=True)
    server = target / "server"
    server.mkdir(parents=True)
    libraries = [f"lib{name}.so" for name in LIBRARIES]
    others = [path.name for path in (place / "bin").glob("*.so") if path.name not in libraries]
    _copy_stripped(place / "bin", [SERVER, *others], server, log=log)
    with tempfile.TemporaryDirectory(dir=target) as scratch:
        tree = Path(scratch)
        ignored = shutil.ignore_patterns("server", "lib", "__pycache__")
        shutil.copytree(source / _PACKAGE, tree / _PACKAGE, ignore=ignored)
        (tree / _PACKAGE / "lib").mkdir()
        _copy_stripped(place / "bin", libraries, tree / _PACKAGE / "lib", log=log)
        info = tree / f"{source.name}.dist-info"
        info.mkdir()
        shutil.copy(source / "PKG-INFO", info / "METADATA")
        (info / "WHEEL").write_text(_WHEEL.format(machine=machine), encoding="ascii")
        build = f"1_cuda_{tag}"
        run(
            [python, "-m", "wheel", "pack", tree, "--dest-dir", target, "--build-number", build],
            log=log,
            failure="The wheel could not be packed.",
        )
    return packed(place)


def _copy_stripped(source: Path, names: list[str], target: Path, *, log: Path) -> None:
    """Copies libraries and programs without the names that only a debugger needs."""
    missing = [name for name in names if not (source / name).is_file()]
    if missing:
        raise HouseError(f"The build left no {' and no '.join(missing)}; {log} says why.")
    for name in names:
        run(
            ["strip", "--strip-unneeded", "-o", target / name, source / name],
            log=log,
            failure=f"{name} could not be stripped; on Debian, binutils has the program for it.",
        )
