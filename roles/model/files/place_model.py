"""Downloads a model's weights, resumes a broken download, and verifies the file.

It runs on the machine that becomes the worker, with only Python's standard library. The download
is kept in `TARGET.part`. Once its SHA-256 is right, one rename makes it `TARGET`.

The address may contain a secret: a signature in its query. So it is read from standard input,
where no list of processes shows it, and messages leave the query out.
"""

import argparse
import errno
import hashlib
import http.client
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Final

TIMEOUT_SECONDS: Final = 30.0
# Give up after this many tries in a row without progress.
MAX_FRUITLESS_TRIES: Final = 4
FIRST_PAUSE_SECONDS: Final = 1.0
BLOCK_BYTES: Final = 1 << 20


class PlacingFailed(Exception):
    """The weights could not be put in place; the text says what to do about it."""


def place(target: Path, sha256: str, size: int, url: str) -> None:
    """Put the file with that hash at `target`; raises `PlacingFailed`."""
    part = target.with_name(f"{target.name}.part")
    try:
        if url:
            fetch(url, part, size)
        _verify(part, sha256, size, url)
        part.chmod(0o444)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise PlacingFailed(
                f"The disk under {target.parent} is full, with {_size(part)} of {size} bytes there."
                " Make room, or take a larger volume, and run this again: it goes on from there."
            ) from None
        raise PlacingFailed(
            f"{part} cannot be written ({error.strerror}). Mend that and run this again."
        ) from None


def fetch(url: str, part: Path, size: int) -> None:
    """Download `part` up to `size` bytes; resumes an interrupted download."""
    if not url.startswith(("https://", "http://")):
        raise PlacingFailed("model_url is no address of the web; it begins with https://.")
    if "@" in urllib.parse.urlsplit(url).netloc:
        raise PlacingFailed("model_url has a user in it; take a signed address instead.")
    fruitless = 0
    while (there := _size(part)) < size:
        try:
            _continue(url, part, there)
            why = "the connection ended"
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code not in (408, 429):
                raise PlacingFailed(
                    f"{shown(url)} answers {error.code} {error.reason}. Is model_url right, and may"
                    " this machine have it?"
                ) from None
            why = f"{error.code} {error.reason}"
        except (
            urllib.error.URLError,
            http.client.HTTPException,
            TimeoutError,
            ConnectionError,
        ) as error:
            why = str(getattr(error, "reason", error))
        fruitless = 0 if _size(part) > there else fruitless + 1
        if fruitless >= MAX_FRUITLESS_TRIES:
            raise PlacingFailed(
                f"The weights could not be fetched from {shown(url)}: {why}, at {_size(part)} of"
                f" {size} bytes. Let this machine reach that address and run this again: it goes on"
                " from there."
            )
        if fruitless:
            time.sleep(FIRST_PAUSE_SECONDS * 2 ** (fruitless - 1))


def _continue(url: str, part: Path, there: int) -> None:
    """Request the missing part and write it as it arrives."""
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={there}-"} if there else {})
    request = urllib.request.Request(url, headers=headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
        resumed = answer.status == 206
        if resumed and not str(answer.headers.get("Content-Range", "")).startswith(
            f"bytes {there}-"
        ):
            raise PlacingFailed(f"{shown(url)} answers with another part than was asked for.")
        with part.open("r+b" if resumed else "wb") as file:
            file.seek(there if resumed else 0)
            while block := answer.read(BLOCK_BYTES):
                file.write(block)


def _verify(part: Path, sha256: str, size: int, url: str) -> None:
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256 or _size(part) != size:
        there = _size(part)
        part.unlink()
        raise PlacingFailed(
            f"What came from {shown(url) if url else 'model_file'} is not the model: {there}"
            f" bytes with the SHA-256 {found}, and it should be {size} with {sha256}. Nothing of"
            " it was kept. Correct the address or the hash, and run this again."
        )


def shown(url: str) -> str:
    """The address without its query, which may be secret."""
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def main() -> int:
    """Place one file; prints errors as sentences on stderr."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", type=Path, required=True, help="the path of the finished file")
    parser.add_argument("--sha256", required=True, help="the file's SHA-256, in hexadecimal")
    parser.add_argument("--bytes", type=int, required=True, help="the file's size")
    parser.epilog = "Standard input: the address. If it is empty, TARGET.part must exist already."
    chosen = parser.parse_args()
    try:
        place(chosen.target, chosen.sha256, chosen.bytes, sys.stdin.read().strip())
    except PlacingFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
