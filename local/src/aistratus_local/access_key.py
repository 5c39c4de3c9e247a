"""The emulator's credentials: random for each system, and known to its processes only."""

import secrets
import string
from dataclasses import dataclass, field
from typing import Final

# The access key ids that the emulator accepts, comma-separated. They are passed only in its
# environment, as any user can read a process's arguments.
KEYS_VARIABLE: Final = "AISTRATUS_EMULATOR_KEYS"
_LETTERS: Final = string.ascii_uppercase + "234567"
_ID_LETTERS: Final = 16


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key like AWS's: an id and a secret."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)


def new_access_key() -> AccessKey:
    """A key that nobody can guess: its id alone has 80 bits."""
    letters = "".join(secrets.choice(_LETTERS) for _ in range(_ID_LETTERS))
    return AccessKey(f"AKIA{letters}", secrets.token_urlsafe(30))
