"""Codes that later releases may add to."""

from enum import StrEnum
from typing import Self


class OpenCode(StrEnum):
    """A set of codes, and `OTHER` for those that a reader does not know yet.

    So a new code needs no new version: an older reader still has the sentence that comes with it.
    No writer uses `OTHER`.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return cls["OTHER"] if isinstance(value, str) else None
