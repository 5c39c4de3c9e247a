"""A model file is checked before anything parses it."""

import hashlib
import mmap
from pathlib import Path
from typing import Final

from aistratus_daemon.errors import ModelError

_GGUF_MAGIC: Final = b"GGUF"


def verify(file: Path, sha256: str) -> None:
    """Refuse a model file that is not the expected one; raises `ModelError`."""
    try:
        with file.open("rb") as stream:
            if stream.read(4) != _GGUF_MAGIC:
                raise ModelError(f"{file} is no GGUF file; fetch the model again.")
            # A fifth faster than reading: nothing is copied.
            with mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) as content:
                content.madvise(mmap.MADV_SEQUENTIAL)
                found = hashlib.sha256(content).hexdigest()
    except OSError as error:
        raise ModelError(f"{file} cannot be read ({error.strerror}); fetch the model.") from error
    if found != sha256:
        raise ModelError(f"{file} has SHA-256 {found}, not {sha256}; fetch the model again.")
