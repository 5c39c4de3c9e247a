"""The wheels of llama-cpp-python that a release offers: the one for this machine, and its download.

`requirements/native.toml` names the release and the SHA-256 of each wheel. Only these hashes are
trusted, so it does not matter which server delivers the files.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from housekeeping.console import StepProgress
from housekeeping.errors import HouseError
from housekeeping.process import run
from housekeeping.requirements import Pin
from housekeeping.store import sha256

MANIFEST: Final = "native.toml"
"""The manifest's name, in `requirements/`."""

URL_VARIABLE: Final = "AISTRATUS_WHEELS_URL"
"""The folder of the wheels on a server, in place of the release on GitHub."""

DOWNLOAD_SECONDS: Final = 120.0
"""The whole download's limit: compiling takes about five times as long."""

CONNECT_SECONDS: Final = 10

_LEVEL_2: Final = frozenset({"cx16", "lahf_lm", "pni", "popcnt", "sse4_1", "sse4_2", "ssse3"})
_LEVEL_3: Final = _LEVEL_2 | frozenset(
    {"abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"}
)

PROCESSORS: Final[Mapping[str, tuple[str, frozenset[str]]]] = {
    "x86-64-v3": ("x86_64", _LEVEL_3),
    "x86-64-v2": ("x86_64", _LEVEL_2),
    "arm64": ("aarch64", frozenset(("asimd", "asimddp", "asimdhp", "fphp"))),
}
"""The processors that wheels are built for, the faster ones first: the machine's name, and the
flags that Linux lists for it. The levels are those of the x86-64 psABI; arm64 is Armv8.2 with
half-precision and dot-product instructions (Graviton 2, Raspberry Pi 5 and newer)."""

_FILE: Final = re.compile(
    r"llama_cpp_python-(?P<version>[0-9][\w.]*)-1_(?P<processor>[a-z0-9_]+)-py3-none-"
    r"manylinux_(?P<major>\d+)_(?P<minor>\d+)_(?P<machine>\w+)\.whl"
)
_RELEASE: Final = re.compile(r"v\d+\.\d+\.\d+")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_ON_GITHUB: Final = re.compile(
    r"(?:https://(?:[^@/]+@)?|ssh://git@|git@)github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?"
)


class NoWheel(HouseError):
    """There is no wheel to be had; the text is a sentence that says why."""


@dataclass(frozen=True)
class Machine:
    """What decides which wheel runs here; `glibc` is None on a system without it."""

    system: str
    name: str
    flags: frozenset[str]
    glibc: tuple[int, int] | None


@dataclass(frozen=True)
class Wheel:
    """One wheel of a release."""

    file: str
    sha256: str
    version: str
    processor: str
    glibc: tuple[int, int]

    def pin(self, source: Pin) -> Pin:
        """The source's pin, with this wheel's hash in place of the source's."""
        return Pin(source.name, source.version, source.marker, frozenset({self.sha256}))


@dataclass(frozen=True)
class Manifest:
    """The release, by its tag, and its wheels; no tag and no wheels before the first release."""

    release: str
    wheels: tuple[Wheel, ...]


def this_machine() -> Machine:
    """This machine, as far as Linux says."""
    library, version = platform.libc_ver()
    numbers = version.split(".")[:2]
    is_glibc = library == "glibc" and len(numbers) == 2 and all(map(str.isdigit, numbers))
    glibc = (int(numbers[0]), int(numbers[1])) if is_glibc else None
    return Machine(sys.platform, platform.machine(), processor_flags(), glibc)


def processor_flags() -> frozenset[str]:
    """The flags of the first processor in /proc/cpuinfo; empty where there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    line = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return frozenset(line.partition(":")[2].split())


def wheel_of(file: str, digest: str) -> Wheel:
    """The wheel of that file name and SHA-256; raises `ValueError` for other files."""
    found = _FILE.fullmatch(file)
    if found is None or not _SHA256.fullmatch(digest):
        raise ValueError(f"{file!r} with SHA-256 {digest!r} is no wheel of llama-cpp-python.")
    processor = found["processor"].replace("_", "-")
    glibc = (int(found["major"]), int(found["minor"]))
    return Wheel(file, digest, found["version"], processor, glibc)


def read_manifest(path: Path) -> Manifest:
    """The manifest; raises `ValueError` if it holds anything else."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    release, files = table["release"], table["wheels"]
    if files and not _RELEASE.fullmatch(release):
        raise ValueError(f"{path.name} names the release {release!r}, which is no v1.2.3.")
    return Manifest(release, tuple(wheel_of(file, digest) for file, digest in files.items()))


def choose(manifest: Manifest, source: Pin, machine: Machine) -> Wheel:
    """The fastest wheel that runs on `machine`; raises `NoWheel` with the reason."""
    if not manifest.wheels:
        raise NoWheel("There is no release with wheels of llama.cpp yet.")
    if machine.system != "linux":
        raise NoWheel("The release's wheels of llama.cpp are for Linux only.")
    of_version = [wheel for wheel in manifest.wheels if wheel.version == source.version]
    if not of_version:
        raise NoWheel(
            f"Release {manifest.release} has llama-cpp-python {manifest.wheels[0].version}, and"
            f" {source.version} is needed."
        )
    by_processor = {wheel.processor: wheel for wheel in of_version}
    for processor, (name, flags) in PROCESSORS.items():
        if name == machine.name and flags <= machine.flags and processor in by_processor:
            wheel = by_processor[processor]
            if machine.glibc is None or machine.glibc < wheel.glibc:
                major, minor = wheel.glibc
                raise NoWheel(f"The release's wheel of llama.cpp needs glibc {major}.{minor}.")
            return wheel
    raise NoWheel(f"The release has no wheel of llama.cpp for this processor ({machine.name}).")


def address(manifest: Manifest, wheel: Wheel, root: Path, environ: Mapping[str, str]) -> str:
    """Where the wheel is; raises `NoWheel` if nothing names a server or a repository."""
    folder = environ.get(URL_VARIABLE, "").rstrip("/")
    return f"{folder or release_folder(manifest.release, root, environ)}/{wheel.file}"


def release_folder(release: str, root: Path, environ: Mapping[str, str]) -> str:
    """The address of a release's files on GitHub; raises `NoWheel` for clones from elsewhere."""
    repository = environ.get("GITHUB_REPOSITORY") or _origin(root)
    if not repository:
        raise NoWheel(
            "The origin of this clone is not on GitHub, so the release with llama.cpp's wheel is"
            f" not known; GITHUB_REPOSITORY=owner/name or {URL_VARIABLE} names it."
        )
    server = environ.get("GITHUB_SERVER_URL") or "https://github.com"
    return f"{server}/{repository}/releases/download/{release}"


def folder(store: Path, wheel: Wheel) -> Path:
    """The wheel's own folder in the store."""
    return store / "released" / wheel.sha256[:16]


def is_intact(place: Path, wheel: Wheel) -> bool:
    """Whether `place` holds the wheel, whole and unchanged."""
    path = place / wheel.file
    return path.is_file() and sha256(path) == wheel.sha256


def fetch(pip: Sequence[str], wheel: Wheel, url: str, place: Path, *, log: Path) -> None:
    """Downloads the wheel with pip into `place`, checked against its SHA-256.

    Raises:
        NoWheel: the server did not deliver it within `DOWNLOAD_SECONDS`, or another file.
    """
    listed = log.with_name("released.txt")
    listed.write_text(f"llama-cpp-python @ {url} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
    half = place.with_name(place.name + ".part")
    shutil.rmtree(half, ignore_errors=True)
    command = [*pip, "download", "--no-deps", "--require-hashes", "--only-binary=:all:"]
    command += ["--progress-bar=off", "--disable-pip-version-check", "--no-cache-dir"]
    command += ["--timeout", str(CONNECT_SECONDS), "--retries", "1"]
    progress = StepProgress("Fetching llama.cpp, compiled for this kind of processor")
    deadline = time.monotonic() + DOWNLOAD_SECONDS
    said: list[str] = []

    def watch(line: str) -> None:
        said.append(line)
        progress.update(0, 0)
        if time.monotonic() > deadline:
            raise HouseError(f"The download took longer than {DOWNLOAD_SECONDS:.0f} s.")

    try:
        run([*command, "--dest", str(half), "-r", str(listed)], log=log, failure="", watch=watch)
    except HouseError as error:
        progress.abandon()
        shutil.rmtree(half, ignore_errors=True)
        raise NoWheel(f"{url} gave no wheel of llama.cpp: {_reason(said, error)}.") from error
    shutil.rmtree(place, ignore_errors=True)
    half.replace(place)
    progress.finish()


def _reason(said: Sequence[str], error: HouseError) -> str:
    """What pip's output means, in a few words."""
    text = "".join(said)
    if "took longer" in str(error):
        return f"it took longer than {DOWNLOAD_SECONDS:.0f} s"
    if code := re.search(r"HTTP error (\d+)", text):
        return f"the server answers {code[1]}"
    if "DO NOT MATCH THE HASHES" in text:
        return f"its SHA-256 is not the one in requirements/{MANIFEST}"
    if "not a supported wheel" in text:
        return "this Python does not take it"
    return "the server could not be reached, or broke off (build/setup.log has the details)"


def _origin(root: Path) -> str:
    """`owner/name` of the clone's remote `origin` on GitHub; empty if it has none."""
    git = shutil.which("git")
    if git is None:
        return ""
    done = subprocess.run(
        [git, "-C", str(root), "remote", "get-url", "origin"],
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = _ON_GITHUB.fullmatch(done.stdout.strip()) if done.returncode == 0 else None
    return found[1] if found else ""
