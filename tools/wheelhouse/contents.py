"""Fills a wheelhouse: our own wheels, the lock and, for machines like this one, all the rest."""

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from packaging.markers import Marker

from housekeeping import ROOT, native, store
from housekeeping.errors import HouseError
from housekeeping.requirements import Pin, canonical, read_pins, render

OWN: Final = ("contracts", "daemon")
LOCK: Final = ROOT / "requirements" / "daemon.txt"
BUILD_LOCK: Final = ROOT / "requirements" / "build.txt"
REQUIREMENTS: Final = "requirements.txt"


def fill(folder: Path, *, complete: bool) -> None:
    """Remake `folder`: the wheels, and `requirements.txt` with all their hashes.

    `complete` adds every other wheel, for machines with this one's Python and processor. Without
    it, the machine fetches third-party wheels and compiles llama-cpp-python with `build.txt`.

    Raises:
        HouseError: a package of ours does not build, or the store lacks a wheel.
    """
    half = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    own = [_build(ROOT / each, half) for each in OWN]
    locked = read_pins(LOCK)
    if complete:
        locked = list(_copied([pin for pin in locked if _applies(pin)], half))
    (half / REQUIREMENTS).write_text(render([*own, *locked]), encoding="utf-8")
    shutil.copy(BUILD_LOCK, half / "build.txt")
    shutil.rmtree(folder, ignore_errors=True)
    half.rename(folder)


def _build(project: Path, folder: Path) -> Pin:
    """Build one of our own packages as a wheel; the same sources give the same bytes."""
    before = set(folder.glob("*.whl"))
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    if done.returncode:
        raise HouseError(f"The package in {project} does not build: {done.stderr.strip()[-500:]}")
    (wheel,) = set(folder.glob("*.whl")) - before
    name, version = wheel.name.split("-")[:2]
    return Pin(canonical(name), version, "", frozenset({store.sha256(wheel)}))


def _copied(pins: Iterable[Pin], folder: Path) -> Iterable[Pin]:
    """Copy the wheel of each pin; yields the pins with the hash of that wheel only."""
    place = store.store_path()
    for pin in pins:
        if pin.name == native.BUILT_HERE:
            known = native.at_hand(place, pin, ROOT)
            wheel = next(known.folder.glob("*.whl")) if known else None
        else:
            wheel = store.find_wheel(place, pin)
        if wheel is None:
            raise HouseError(
                f"{pin.name} {pin.version} is not in {place}; make setup fetches and builds it."
            )
        shutil.copy(wheel, folder)
        yield Pin(pin.name, pin.version, "", frozenset({store.sha256(wheel)}))


def _applies(pin: Pin) -> bool:
    return not pin.marker or Marker(pin.marker).evaluate()
