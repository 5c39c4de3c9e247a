"""Builds the Lambda package: `python router/build_zip.py [dist/router.zip]`.

One zip serves both of Lambda's architectures, for what differs between them, extension modules,
has the architecture in its name. It is made of the locked requirements and of wheels of our own
packages, and of nothing that depends on when or where it is made: the same sources give the
same bytes.

Lambda cannot keep what Python compiles, so every cold start would compile all modules again
(three fifths of a start). So the zip has them compiled, if the machine that builds it has a
Python of Lambda's version; they are of the kind that Python trusts without looking at the source.
"""

import argparse
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final

from aistratus_router.services import SERVICES

ROOT: Final = Path(__file__).resolve().parents[1]
REQUIREMENTS: Final = ROOT / "requirements" / "router.txt"
OWN: Final = (ROOT / "contracts", ROOT / "router")
TARGET: Final = ROOT / "dist" / "router.zip"

LAMBDA_PYTHON: Final = "3.13"
ARCHITECTURES: Final = ("aarch64", "x86_64")
# Lambda's Amazon Linux 2023 has glibc 2.34: it takes wheels for all of these.
PLATFORMS: Final = ("manylinux2014", "manylinux_2_17", "manylinux_2_28")

EARLIEST: Final = (1980, 1, 1, 0, 0, 0)
FILE_MODE: Final = 0o100644
COMPRESSION_LEVEL: Final = 9

# What nobody reads in Lambda: stubs, web pages, other people's tests, boto3's resource layer.
_UNUSED_SUFFIXES: Final = {".pyi", ".pyc", ".js", ".css", ".typed", ".md"}
_UNUSED_FOLDERS: Final = {"__pycache__", "bin", "tests", "testing"}
_UNUSED_TREES: Final = (("boto3", "data"), ("boto3", "examples"))
_BOTOCORE_DATA: Final = ("botocore", "data")
_SERVICE_FILES: Final = ("service-2.", "endpoint-rule-set-1.", "paginators-1.")
_LICENSES: Final = ("licen", "notice", "copying", "author")


class BuildError(Exception):
    """The package cannot be built; the text says why."""


def build(target: Path, python: str = LAMBDA_PYTHON) -> None:
    """Write the zip for Lambda's Python version `python`."""
    with tempfile.TemporaryDirectory(prefix="router-zip-") as scratch:
        trees = [Path(scratch) / "own"]
        _install_own(trees[0], Path(scratch) / "wheels")
        for architecture in ARCHITECTURES:
            trees.append(Path(scratch) / architecture)
            _install_locked(trees[-1], architecture, python)
        files: dict[str, bytes] = {}
        for tree in trees:
            for name, content in _kept(tree):
                if files.setdefault(name, content) != content:
                    raise BuildError(f"{name} differs between architectures; it needs two zips.")
        interpreter = find_python(python)
        if interpreter is None:
            print(f"No Python {python} here: the zip will start slower.", file=sys.stderr)  # noqa: T201
        else:
            files |= _compiled(files, Path(scratch) / "compiled", interpreter)
    _write(target, files)


def find_python(version: str) -> Path | None:
    """A working interpreter of that version: this one, on the PATH, or one of pyenv's."""
    named = shutil.which(f"python{version}")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [
        Path(sys.executable),
        *([Path(named)] if named else []),
        *sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}")),
    ]
    asked = "import sys; print('%d.%d' % sys.version_info[:2])"
    for candidate in candidates:
        run = subprocess.run(  # noqa: S603
            [str(candidate), "-I", "-S", "-c", asked], capture_output=True, text=True, check=False
        )
        if run.stdout.strip() == version:
            return candidate
    return None


def _install_own(tree: Path, wheels: Path) -> None:
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), *map(str, OWN))
    for wheel in sorted(wheels.glob("*.whl")):
        shutil.unpack_archive(wheel, tree, "zip")


def _install_locked(tree: Path, architecture: str, python: str) -> None:
    platforms = [f"--platform={platform}_{architecture}" for platform in PLATFORMS]
    _pip(
        "install",
        "--requirement",
        str(REQUIREMENTS),
        "--require-hashes",
        "--no-deps",
        "--only-binary=:all:",
        "--no-compile",
        f"--python-version={python}",
        "--implementation=cp",
        *platforms,
        "--target",
        str(tree),
    )


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if run.returncode:
        raise BuildError(f"pip {arguments[0]} failed:\n{run.stdout}{run.stderr}")


def _kept(tree: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of what goes into the zip."""
    for path in sorted(tree.rglob("*")):
        if path.is_file():
            place = PurePosixPath(path.relative_to(tree).as_posix())
            name = _name_in_zip(place)
            if name is not None and place.parts[:2] == _BOTOCORE_DATA:
                yield name.removesuffix(".gz"), _description(place, path)
            elif name is not None:
                yield name, path.read_bytes()


def _name_in_zip(place: PurePosixPath) -> str | None:
    """Where a file goes, or None if it stays behind."""
    parts = place.parts
    if parts[0].endswith(".dist-info"):
        if not place.name.lower().startswith(_LICENSES):
            return None
        return f"licenses/{parts[0].removesuffix('.dist-info')}/{place.name}"
    if place.suffix in _UNUSED_SUFFIXES or _UNUSED_FOLDERS & set(parts[:-1]):
        return None
    if parts[:2] in _UNUSED_TREES:
        return None
    is_data_of_service = parts[:2] == _BOTOCORE_DATA and len(parts) > 3
    if is_data_of_service and not (parts[2] in SERVICES and place.name.startswith(_SERVICE_FILES)):
        return None
    return str(place)


def _compiled(files: dict[str, bytes], tree: Path, interpreter: Path) -> dict[str, bytes]:
    """The compiled form of all modules. Nothing of it depends on the place or the time."""
    for name, content in files.items():
        if name.endswith(".py"):
            path = tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    mode = ("--invalidation-mode", "unchecked-hash")
    command = [str(interpreter), "-I", "-S", "-m", "compileall", "-q", *mode, "-s", str(tree)]
    run = subprocess.run(  # noqa: S603
        [*command, str(tree)], capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise BuildError(f"A module does not compile:\n{run.stdout}{run.stderr}")
    return {path.relative_to(tree).as_posix(): path.read_bytes() for path in tree.rglob("*.pyc")}


def _description(place: PurePosixPath, path: Path) -> bytes:
    """One of botocore's descriptions of AWS, which it reads at every start.

    The table of endpoints keeps our services only; a service loses its documentation, which is
    most of it, and its own compression, which the zip's makes needless.
    """
    content = path.read_bytes()
    described = json.loads(gzip.decompress(content) if place.suffix == ".gz" else content)
    if place.name == "endpoints.json":
        for partition in described["partitions"]:
            services = partition["services"]
            partition["services"] = {name: services[name] for name in SERVICES if name in services}
    return json.dumps(_undocumented(described), separators=(",", ":")).encode()


def _undocumented(described: Any) -> Any:
    if isinstance(described, list):
        return [_undocumented(part) for part in described]
    if not isinstance(described, dict):
        return described
    return {
        name: _undocumented(part)
        for name, part in described.items()
        if not (name == "documentation" and isinstance(part, str))
    }


def _write(target: Path, files: dict[str, bytes]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_suffix(".part")
    with zipfile.ZipFile(
        half, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION_LEVEL
    ) as zipped:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EARLIEST)
            entry.create_system = 3  # Unix: the mode below counts
            entry.external_attr = FILE_MODE << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            zipped.writestr(entry, files[name], compresslevel=COMPRESSION_LEVEL)
    half.replace(target)


def main(arguments: list[str]) -> int:
    """Build, and say what was built."""
    parser = argparse.ArgumentParser(description="Builds the router's Lambda package.")
    parser.add_argument("target", nargs="?", type=Path, default=TARGET)
    parser.add_argument("--python", default=LAMBDA_PYTHON, help="Lambda's Python version")
    options = parser.parse_args(arguments)
    try:
        build(options.target, options.python)
    except BuildError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    content = options.target.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    size = len(content) / 1e6
    print(f"{options.target}: {size:.2f} MB, SHA-256 {digest}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
