"""llama-cpp-python: compiled here, once per machine and version, unless a release has its wheel.

Its registry has only the source. The build takes minutes, so the store keeps the wheel. The build
is specific to the processor, so there is one wheel per processor. The source and the build tools
are checked against the lock's hashes, and the wheel against the hash that was recorded when it was
built. `released` fetches wheels that were built elsewhere.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from housekeeping import released
from housekeeping.console import StepProgress
from housekeeping.errors import HouseError
from housekeeping.process import run
from housekeeping.requirements import Pin, render
from housekeeping.store import sha256

BUILT_HERE = "llama-cpp-python"

COMPILERS = ("c++", "g++", "clang++")

NO_COMPILER = (
    "Aistratus compiles llama.cpp once, and this machine has no C++ compiler: install one (on"
    " Debian or Ubuntu: sudo apt install g++) and run the same command again."
)

_NINJA = re.compile(r"^\s*\[(\d+)/(\d+)\]")


@dataclass(frozen=True)
class AtHand:
    """A wheel in the store: its folder, and the pin with its hash."""

    folder: Path
    pin: Pin


def at_hand(store: Path, source: Pin, root: Path) -> AtHand | None:
    """The wheel that was compiled on a machine like this, else the release's; None if neither."""
    place = folder(store, source, str(sys.implementation.cache_tag))
    if pin := built(place, source):
        return AtHand(place, pin)
    try:
        manifest = released.read_manifest(root / "requirements" / released.MANIFEST)
        wheel = released.choose(manifest, source, released.this_machine())
    except released.NoWheel:
        return None
    place = released.folder(store, wheel)
    return AtHand(place, wheel.pin(source)) if released.is_intact(place, wheel) else None


def processor() -> str:
    """Twelve characters that identify this kind of processor: a build runs on that kind only."""
    facts = platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        facts += platform.processor()
    else:
        facts += next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return hashlib.sha256(facts.encode()).hexdigest()[:12]


def folder(store: Path, pin: Pin, flavour: str) -> Path:
    """The folder of the wheel of `pin` for this processor."""
    source = hashlib.sha256("".join(sorted(pin.hashes)).encode()).hexdigest()[:12]
    return store / "built" / f"{pin.name}-{pin.version}-{source}" / f"{flavour}-{processor()}"


def built(place: Path, pin: Pin) -> Pin | None:
    """`pin` with the hash of the wheel in `place`; None if there is no intact wheel."""
    for wheel in place.glob("*.whl"):
        noted = wheel.with_name(wheel.name + ".sha256")
        if noted.is_file() and noted.read_text(encoding="ascii").strip() == sha256(wheel):
            digest = frozenset({noted.read_text(encoding="ascii").strip()})
            return Pin(pin.name, pin.version, pin.marker, digest)
    return None


def compiler() -> str:
    """The C++ compiler that CMake would use.

    Raises:
        HouseError: there is none, or it does not start.
    """
    named = os.environ.get("CXX", "").split()[:1]
    for name in named or COMPILERS:
        path = shutil.which(name)
        if (
            path
            and subprocess.run([path, "--version"], capture_output=True, check=False).returncode
            == 0
        ):
            return path
    raise HouseError(NO_COMPILER)


def build(pip: Sequence[str], tools: Path, pin: Pin, place: Path, *, log: Path) -> None:
    """Compiles `pin` and puts its wheel and the wheel's hash into `place`.

    Args:
        pip: the pip command of an environment with the build tools of the lock.
        tools: the folder of that environment's programs (cmake, ninja).
        pin: what to build; its hash is the source's.
        place: the folder for the wheel.
        log: the file for the compiler's output.

    Raises:
        HouseError: the source's hash is wrong, or it does not compile.
    """
    listed = log.with_name("build.txt")
    listed.write_text(render([pin]), encoding="utf-8")
    half = place.with_name(place.name + ".part")
    shutil.rmtree(half, ignore_errors=True)
    command = [*pip, "wheel", "-v", "--no-deps", "--require-hashes", "--no-build-isolation"]
    command += ["--progress-bar=off", "--disable-pip-version-check", "-w", str(half)]
    if place.parent.is_dir():
        # Another processor has used this home: pip's own cache may hold its build.
        command.append("--no-cache-dir")
    try:
        with watched("Compiling llama.cpp (once, 5 to 10 minutes on 2 cores)") as watch:
            run(
                [*command, "-r", str(listed)],
                log=log,
                failure=f"{pin.name} {pin.version} could not be built; the next run tries again.",
                env={"PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', os.defpath)}"},
                watch=watch,
            )
    except HouseError:
        shutil.rmtree(half, ignore_errors=True)
        raise
    for wheel in half.glob("*.whl"):
        wheel.with_name(wheel.name + ".sha256").write_text(sha256(wheel), encoding="ascii")
    shutil.rmtree(place, ignore_errors=True)
    half.replace(place)


@contextmanager
def watched(title: str) -> Iterator[Callable[[str], None]]:
    """Shows the progress of a build; yields what must see each line of ninja's output."""
    progress = StepProgress(title)
    done, total = 0, 0

    def watch(line: str) -> None:
        nonlocal done, total
        if step := _NINJA.match(line):
            done, total = int(step[1]), int(step[2])
        progress.update(done, total)

    try:
        yield watch
    except HouseError:
        progress.abandon()
        raise
    progress.finish()
