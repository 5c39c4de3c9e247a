"""Packs the router as Lambda wants it: one zip with its code and its pinned dependencies.

The wheels are those of the lock, for Lambda's processor and Python and not for this machine's.
Our own two packages go in as built wheels, because an editable install would leave a path in
the zip and no code. The same tree gives the same bytes.
"""

import tempfile
import zipfile
from pathlib import Path

from housekeeping import ROOT, store
from housekeeping.console import say
from housekeeping.errors import HouseError
from housekeeping.process import quietly, run
from housekeeping.requirements import read_pins

ARCHITECTURE = "aarch64"
"""Lambda's cheaper processor, arm64; `x86_64` is the other."""

PYTHON_VERSION = "3.13"

MAX_UNZIPPED_BYTES = 250 * 1024 * 1024
"""Lambda's limit for code and layers, unzipped."""

_FIRST_DAY = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the zip: the oldest that a zip can say."""

_LEFT_OUT = {"__pycache__", "bin", ".lock", "RECORD", "direct_url.json", "uv_cache.json"}
"""What an installer leaves behind: it says where and when, and no code reads it."""


def pack(
    root: Path = ROOT,
    target: Path | None = None,
    *,
    architecture: str = ARCHITECTURE,
    python_version: str = PYTHON_VERSION,
) -> Path:
    """Writes `dist/router.zip`, or `target`.

    Raises:
        HouseError: a wheel is not to be had, or the package is over Lambda's limit.
    """
    target = target or root / "dist" / "router.zip"
    with tempfile.TemporaryDirectory(prefix="aistratus-") as scratch:
        packing = _Packing(root, Path(scratch), architecture, python_version)
        packing.add_dependencies()
        packing.add_own()
        files = _files(packing.content)
        size = sum(path.stat().st_size for path in files)
        if size > MAX_UNZIPPED_BYTES:
            raise HouseError(f"The router is {size >> 20} MiB unzipped, and Lambda takes 250 MiB.")
        target.parent.mkdir(parents=True, exist_ok=True)
        _zip(packing.content, files, target)
    say(
        f"{target}: {target.stat().st_size / 1e6:.1f} MB ({size / 1e6:.1f} MB unzipped),"
        f" Python {python_version} on {architecture}, SHA-256 {store.sha256(target)}"
    )
    return target


class _Packing:
    """The folder that becomes the zip."""

    def __init__(self, root: Path, scratch: Path, architecture: str, python_version: str) -> None:
        self.content = scratch / "content"
        self._root = root
        self._scratch = scratch
        self._architecture = architecture
        self._python_version = python_version
        self._log = root / "build" / "router-zip.log"
        self._python = str(root / ".venv" / "bin" / "python")
        self._uv = str(root / ".venv" / "bin" / "uv")

    def add_dependencies(self) -> None:
        """Installs the lock's wheels for Lambda; those that the store lacks are fetched."""
        lock = self._root / "requirements" / "router.txt"
        wheels = store.store_path()
        install = [self._uv, "pip", "install", "--target", str(self.content), "--no-deps"]
        install += ["--no-build", "--require-hashes", "--no-index", "--find-links", str(wheels)]
        install += ["--python-version", self._python_version, "-r", str(lock)]
        install += ["--python-platform", f"{self._architecture}-manylinux2014"]
        if quietly(install, log=self._log, env=store.UV_ENVIRONMENT):
            return
        store.fetch(
            [self._python, "-m", "pip"],
            read_pins(lock),
            wheels,
            log=self._log,
            title=f"Fetching the router's packages for {self._architecture}",
            more=(
                "--implementation=cp",
                f"--python-version={self._python_version}",
                f"--platform=manylinux2014_{self._architecture}",
            ),
        )
        failure = "A package of the router is missing."
        run(install, log=self._log, env=store.UV_ENVIRONMENT, failure=failure)

    def add_own(self) -> None:
        """Builds wheels of the router and of what it imports, and installs those."""
        wheels = self._scratch / "own"
        for component in ("contracts", "router"):
            build = [self._uv, "build", "--wheel", "--no-build-isolation", "--python", self._python]
            build += ["--out-dir", str(wheels), str(self._root / component)]
            failure = f"{component} could not be built."
            run(build, log=self._log, env=store.UV_ENVIRONMENT, failure=failure)
        install = [self._uv, "pip", "install", "--target", str(self.content), "--no-deps"]
        install += ["--no-index", *(str(wheel) for wheel in sorted(wheels.glob("*.whl")))]
        failure = "Our own packages could not be put into the router's zip."
        run(install, log=self._log, env=store.UV_ENVIRONMENT, failure=failure)


def _files(content: Path) -> list[Path]:
    return sorted(
        path
        for path in content.rglob("*")
        if path.is_file() and not _LEFT_OUT & set(path.relative_to(content).parts)
    )


def _zip(content: Path, files: list[Path], target: Path) -> None:
    half = target.with_suffix(".part")
    with zipfile.ZipFile(half, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in files:
            entry = zipfile.ZipInfo(str(path.relative_to(content)), _FIRST_DAY)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    half.replace(target)
