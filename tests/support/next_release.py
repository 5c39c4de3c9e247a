"""The release after this one, as far as others see it.

Everything it writes has a field that this release does not know, at every level. If given another
version, it writes that version of jobs and their messages, and reads no other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass
from typing import Any

import pytest

from aistratus_contracts import codec, job


@contextmanager
def next_release(version: int = 1) -> Iterator[None]:
    """Inside the block, this process writes and reads as the next release does."""
    before = codec.to_plain

    def to_plain(value: object) -> Any:
        plain = before(value)
        if is_dataclass(value) and not isinstance(value, type):
            plain["of_next_release"] = {"since": 2}
        return plain

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "to_plain", to_plain)
        patch.setattr(job, "JOB_VERSION", version)
        patch.setattr(job, "QUEUE_MESSAGE_VERSION", version)
        yield
