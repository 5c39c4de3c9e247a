"""The person's own store of wheels, shared by all clones.

It is in `$XDG_CACHE_HOME/aistratus/wheels`. pip fills it, so that the person's own pip settings (a
mirror, a proxy, a certificate) apply. uv installs from it without the network, in a second where
pip takes half a minute. Both check every file against the lock's hashes.
"""

import fcntl
import hashlib
import os
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from housekeeping.console import StepProgress, say
from housekeeping.errors import HouseError
from housekeeping.process import quietly, run
from housekeeping.requirements import Pin, canonical, render

NO_NETWORK = (
    "The Python packages could not be fetched. Is the network (or the mirror that pip is set"
    " to) there? The next run goes on from here."
)


def store_path() -> Path:
    """The folder of the wheels, under `XDG_CACHE_HOME` or `~/.cache`."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "aistratus" / "wheels"


@contextmanager
def locked(store: Path) -> Iterator[None]:
    """Allows one set-up at a time across all clones, as they share the store."""
    store.mkdir(parents=True, exist_ok=True)
    with (store / ".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another set-up is running; this one waits for it …")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def find_wheel(folder: Path, pin: Pin) -> Path | None:
    """The wheel of `pin` in `folder` with one of the lock's hashes."""
    stem = canonical(pin.name).replace("-", "_")
    for path in sorted(folder.glob("*.whl")):
        name, version = path.name.split("-")[:2]
        same = canonical(name).replace("-", "_") == stem and version == pin.version
        if same and sha256(path) in pin.hashes:
            return path
    return None


def fetch(pip: list[str], pins: Iterable[Pin], store: Path, *, log: Path, title: str) -> None:
    """Downloads the wheels of `pins` into the store with pip.

    Raises:
        HouseError: pip failed, or a file's hash is not in the lock.
    """
    wanted = list(pins)
    listed = log.with_name("fetch.txt")
    listed.parent.mkdir(parents=True, exist_ok=True)
    listed.write_text(render(wanted), encoding="utf-8")
    command = [*pip, "download", "--no-deps", "--require-hashes", "--only-binary=:all:"]
    command += ["--progress-bar=off", "--disable-pip-version-check"]
    progress = StepProgress(title)
    seen = 0

    def watch(line: str) -> None:
        nonlocal seen
        if line.startswith(("Collecting ", "Ignoring ")):
            seen += 1
            progress.update(seen, len(wanted), line.split()[1].partition("=")[0])

    try:
        run(
            [*command, "--dest", str(store), "-r", str(listed)],
            log=log,
            failure=NO_NETWORK,
            watch=watch,
        )
    except HouseError:
        progress.abandon()
        raise
    progress.finish()


def unpack_uv(store: Path, pin: Pin) -> Path | None:
    """The uv program, unpacked from its wheel in the store; None if the wheel is not there.

    It is kept beside the wheels, named by the wheel's hash, because a program cannot replace
    itself while it installs.
    """
    wheel = find_wheel(store, pin)
    if wheel is None:
        return None
    program = store / "tools" / f"uv-{pin.version}-{sha256(wheel)[:12]}"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(wheel) as archive:
            member = f"uv-{pin.version}.data/scripts/uv"
            half = program.with_suffix(".part")
            half.write_bytes(archive.read(member))
        half.chmod(0o755)
        half.replace(program)
    return program


def install(
    uv: Path,
    python: Path,
    pins: Iterable[Pin],
    folders: Iterable[Path],
    *,
    log: Path,
    compiled: bool = False,
) -> bool:
    """Installs exactly `pins` into the environment of `python`, from `folders` alone.

    `compiled` compiles all bytecode now. That takes longer than the rest, so a demo leaves it to
    Python, which compiles what is imported.

    Returns:
        Whether it succeeded; False if the store lacks something.
    """
    listed = log.with_name("install.txt")
    listed.parent.mkdir(parents=True, exist_ok=True)
    listed.write_text(render(pins), encoding="utf-8")
    links = [part for folder in folders for part in ("--find-links", str(folder))]
    command = [str(uv), "pip", "sync", "--python", str(python), "--require-hashes"]
    command += ["--no-index", "--no-build", *links, str(listed)]
    command += ["--compile-bytecode"] if compiled else []
    return quietly(command, log=log, env=UV_ENVIRONMENT)


def install_editable(
    uv: Path, python: Path, projects: Iterable[Path], *, log: Path, failure: str
) -> None:
    """Installs our own packages so that they run from the working tree.

    Raises:
        HouseError: one of them does not build.
    """
    command = [str(uv), "pip", "install", "--python", str(python), "--no-deps", "--no-index"]
    command += ["--no-build-isolation"]
    command += [part for project in projects for part in ("-e", str(project))]
    run(
        command,
        log=log,
        failure=failure,
        env=UV_ENVIRONMENT,
    )


UV_ENVIRONMENT = {"UV_NO_CONFIG": "1", "UV_OFFLINE": "1", "UV_NO_PROGRESS": "1"}
"""uv as a pure installer: no network, nobody's settings."""
