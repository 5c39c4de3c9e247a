"""CUDA's compiler and libraries as one folder in the cache, made from NVIDIA's wheels on PyPI.

The wheels unpack into one tree, in which a compiler expects a little more: `lib64`, libraries
without a version in their names, and the driver's library, which only a machine with a card has.
"""

import hashlib
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from housekeeping import native, store
from housekeeping.errors import HouseError
from housekeeping.process import run
from housekeeping.requirements import read_pins

DRIVER_SOURCE: Final = Path(__file__).with_name("driver.c")
"""What stands for the driver's library, libcuda.so.1, where there is no card."""

NO_CARD: Final = PurePosixPath("lib/stubs")
"""The toolkit's folder with that library, for whoever loads kernels on a machine without a card."""

_TREE: Final = ("nvidia", "cu13")
_STAMP: Final = ".made-of"


def provide(cache: Path, lock: Path, pip: Sequence[str], *, log: Path) -> Path:
    """The toolkit's folder in `cache`, fetched and unpacked if it is not there yet.

    Args:
        cache: the folder for all that `cuda_wheel` keeps.
        lock: the lock file with NVIDIA's wheels.
        pip: the pip command that fetches them.
        log: the file for the commands' output.

    Raises:
        HouseError: the wheels cannot be fetched, or there is no C compiler.
    """
    place = cache / "toolkit"
    digest = made_of(lock)
    stamp = place / _STAMP
    if stamp.is_file() and stamp.read_text(encoding="ascii") == digest:
        return place
    half, wheels = cache / "toolkit.part", cache / "toolkit.wheels"
    title = "Fetching CUDA's compiler and libraries (500 MiB, once)"
    store.fetch(list(pip), read_pins(lock), wheels, log=log, title=title)
    shutil.rmtree(half, ignore_errors=True)
    for wheel in sorted(wheels.glob("*.whl")):
        unpack(wheel, half)
    complete(half, log=log)
    (half / _STAMP).write_text(digest, encoding="ascii")
    shutil.rmtree(place, ignore_errors=True)
    half.replace(place)
    shutil.rmtree(wheels)
    return place


def made_of(lock: Path) -> str:
    """A digest of all that the toolkit is made from."""
    return hashlib.sha256(lock.read_bytes() + DRIVER_SOURCE.read_bytes()).hexdigest()


def unpack(wheel: Path, target: Path) -> None:
    """Unpacks what NVIDIA's wheel adds to the common tree, programs as programs."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            parts = PurePosixPath(member.filename).parts
            if member.is_dir() or parts[:2] != _TREE or ".." in parts:
                continue
            path = target.joinpath(*parts[2:])
            path.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, path.open("wb") as file:
                shutil.copyfileobj(source, file)
            path.chmod((member.external_attr >> 16) & 0o777 | 0o600)


def complete(tree: Path, *, log: Path) -> None:
    """Adds what a compiler expects to find, and the wheels do not have.

    Raises:
        HouseError: the driver's stand-in does not compile.
    """
    libraries = tree / "lib"
    (tree / "lib64").symlink_to("lib")
    for library in libraries.glob("lib*.so.*"):
        plain = library.with_name(f"{library.name.partition('.so')[0]}.so")
        if not plain.exists():
            plain.symlink_to(library.name)
    stubs = tree / NO_CARD
    stubs.mkdir()
    driver = stubs / "libcuda.so.1"
    command = [native.compiler(), "-x", "c", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra"]
    run(
        [*command, "-Wl,-soname,libcuda.so.1", "-o", driver, DRIVER_SOURCE],
        log=log,
        failure="What stands for the driver's library could not be compiled.",
    )
    (stubs / "libcuda.so").symlink_to(driver.name)


def libraries_of(cache: Path) -> list[Path]:
    """Where a machine without a card has what kernels are linked with.

    Raises:
        HouseError: the toolkit is not there.
    """
    place = cache / "toolkit"
    if not (place / _STAMP).is_file():
        raise HouseError("There is no CUDA toolkit in the cache yet: run make cuda-wheel first.")
    return [place / NO_CARD, place / "lib"]
