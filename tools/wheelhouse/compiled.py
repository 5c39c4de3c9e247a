"""systemd-python's wheel, compiled here once and kept in the store: its registry has the source.

The image compiles it for itself; this is for a wheelhouse that needs no network.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from housekeeping import ROOT, native, store
from housekeeping.errors import HouseError
from housekeeping.requirements import Pin, render

NAME: Final = "systemd-python"
_NO_HEADERS: Final = (
    "systemd-python cannot be compiled, because this machine lacks libsystemd's headers or"
    " pkg-config. Install them (on Debian or Ubuntu: sudo apt install libsystemd-dev pkgconf) and"
    " run the same command again."
)


def compile_systemd(pin: Pin, place: Path) -> None:
    """Put the wheel of `pin` into `place`, with a file that holds its SHA-256.

    Raises:
        HouseError: libsystemd's headers are missing, or it does not compile.
    """
    pkg_config = shutil.which("pkg-config")
    if pkg_config is None or _status(pkg_config, "--exists", "libsystemd"):
        raise HouseError(_NO_HEADERS)
    half = place.with_name(f"{place.name}.part")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    listed = half / "source.txt"
    listed.write_text(render([pin]), encoding="utf-8")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-build-isolation", "--no-binary=:all:", "--require-hashes"]
    command += ["--no-cache-dir", f"--wheel-dir={half}", f"--requirement={listed}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise HouseError(f"{pin.name} does not compile: {done.stderr.strip()[-500:]}")
    listed.unlink()
    for wheel in half.glob("*.whl"):
        noted = wheel.with_name(f"{wheel.name}.sha256")
        noted.write_text(store.sha256(wheel), encoding="ascii")
    shutil.rmtree(place, ignore_errors=True)
    half.rename(place)


def _status(*command: str) -> int:
    return subprocess.run(command, capture_output=True, check=False).returncode


def find(folder: Path, pin: Pin) -> Path | None:
    """The wheel of a package that is compiled here; None if the store has none that is intact.

    A release's wheel of llama-cpp-python serves too.
    """
    if pin.name == native.BUILT_HERE:
        known = native.at_hand(folder, pin, ROOT)
        return next(known.folder.glob("*.whl")) if known else None
    home = native.folder(folder, pin, str(sys.implementation.cache_tag))
    if native.built(home, pin) is None:
        compile_systemd(pin, home)
    return next(home.glob("*.whl"), None) if native.built(home, pin) else None
