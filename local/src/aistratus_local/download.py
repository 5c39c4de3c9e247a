"""Downloads a large file: resumes where it broke off, verifies, then moves it into place."""

import errno
import fcntl
import hashlib
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from aistratus_local.console import Console, TransferProgress, megabytes
from aistratus_local.errors import LocalError

TIMEOUT: Final = httpx.Timeout(30.0, connect=15.0)
# Give up after this many tries in a row without progress.
MAX_FRUITLESS_TRIES: Final = 5
FIRST_PAUSE_SECONDS: Final = 1.0
# Free disk space that must remain beside the file.
SPARE_BYTES: Final = 50 * 1024 * 1024
_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class DownloadFailed(LocalError):
    """The file could not be fetched; the text says what to do about it."""


class _Broken(Exception):
    """The connection broke; what was received is kept."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file whose size and hash are known beforehand."""

    name: str
    url: str
    size: int
    sha256: str


def fetch(
    remote: RemoteFile,
    target: Path,
    console: Console,
    *,
    transport: httpx.BaseTransport | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Path:
    """Fetch the file to `target` unless it is there already; raises `DownloadFailed`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone(target, console):
        if target.exists():
            if _is_right(target, remote, console):
                return target
            target.unlink()
            console.say(f"  {target} is not the file that it should be; it is fetched again.")
        partial = target.with_name(f"{target.name}.part")
        _check_space(target.parent, remote, partial)
        try:
            _fetch_into(partial, remote, console, transport, pause)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise _no_space(target.parent, remote.size) from None
            raise
        if not _is_right(partial, remote, console):
            partial.unlink()
            raise DownloadFailed(
                f"What {remote.url} sent is not {remote.name}: its SHA-256 is wrong. "
                "Nothing of it was kept. Try again later, or from another network."
            )
        partial.replace(target)
    return target


def _fetch_into(
    partial: Path,
    remote: RemoteFile,
    console: Console,
    transport: httpx.BaseTransport | None,
    pause: Callable[[float], None],
) -> None:
    """Fill `partial` up to the file's size."""
    fruitless = 0
    with httpx.Client(timeout=TIMEOUT, follow_redirects=True, transport=transport) as client:
        while (there := _size(partial)) != remote.size:
            if there > remote.size:
                partial.unlink()
                there = 0
            try:
                _continue(client, partial, there, remote, console)
            except (httpx.TransportError, _Broken) as error:
                got = _size(partial)
                fruitless = 0 if got > there else fruitless + 1
                if fruitless >= MAX_FRUITLESS_TRIES:
                    raise DownloadFailed(
                        f"The download of {remote.name} broke off at {megabytes(got)} of "
                        f"{megabytes(remote.size)} MB ({type(error).__name__.strip('_')}). Check "
                        "your connection and start again: it goes on from there."
                    ) from None
                console.say(f"  The connection broke off at {megabytes(got)} MB; trying again.")
                pause(FIRST_PAUSE_SECONDS * 2 ** max(0, fruitless - 1))


def _continue(
    client: httpx.Client, partial: Path, there: int, remote: RemoteFile, console: Console
) -> None:
    """Request the missing part and write it as it arrives."""
    headers = {"Range": f"bytes={there}-"} if there else {}
    # Compression would change the offsets and the size.
    headers["Accept-Encoding"] = "identity"
    with client.stream("GET", remote.url, headers=headers) as answer:
        begin = _accepted_offset(answer, there, remote)
        progress = TransferProgress(console, f"Fetching {remote.name}", remote.size, begin)
        with partial.open("r+b" if begin else "wb") as file:
            file.truncate(begin)
            file.seek(begin)
            count = begin
            for block in answer.iter_bytes():
                count += len(block)
                if count > remote.size:
                    raise _wrong_size(remote, count)
                file.write(block)
                progress.at(count)
        if count < remote.size:
            raise _Broken


def _accepted_offset(answer: httpx.Response, there: int, remote: RemoteFile) -> int:
    """The offset of the answer's body; raises `DownloadFailed` for an unusable answer."""
    if answer.status_code == 206:
        match = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
        if match and int(match[1]) == there:
            if match[2] not in ("*", str(remote.size)):
                raise _wrong_size(remote, int(match[2]))
            return there
        raise DownloadFailed(
            f"{remote.url} answered with another part of the file than was asked for. "
            "Try again later, or from another network."
        )
    if answer.status_code == 200:  # a server without range support: from the beginning
        length = answer.headers.get("content-length", "")
        if length.isdigit() and int(length) != remote.size:
            raise _wrong_size(remote, int(length))
        return 0
    if answer.status_code in (408, 429) or answer.status_code >= 500:
        raise _Broken
    raise DownloadFailed(
        f"{remote.url} answered {answer.status_code} {answer.reason_phrase}. "
        "Check whether that address can be reached from here; a proxy or a filter may be between."
    )


def _is_right(path: Path, remote: RemoteFile, console: Console) -> bool:
    """Whether the file has the expected size and hash."""
    if _size(path) != remote.size:
        return False
    console.working(f"Checking {remote.name} ({megabytes(remote.size)} MB)")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == remote.sha256


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _check_space(folder: Path, remote: RemoteFile, partial: Path) -> None:
    if shutil.disk_usage(folder).free < remote.size - _size(partial) + SPARE_BYTES:
        raise _no_space(folder, remote.size - _size(partial))


def _no_space(folder: Path, needed: int) -> DownloadFailed:
    return DownloadFailed(
        f"There is not enough space in {folder} for {megabytes(needed)} MB more. Make some and "
        "start again: it goes on from there. XDG_CACHE_HOME sets another place."
    )


def _wrong_size(remote: RemoteFile, size: int) -> DownloadFailed:
    return DownloadFailed(
        f"{remote.url} has {size} bytes, and {remote.name} has {remote.size}: this is another "
        "file, and it was not taken. Try again later, or from another network."
    )


@contextmanager
def _alone(target: Path, console: Console) -> Iterator[None]:
    """Lock the file: a second process waits for the first and then finds it there."""
    lock = target.with_name(f"{target.name}.lock")
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.say(f"  Another download of {target.name} is under way; waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
