"""The emulator's credentials: made at random for each system, and known to its processes only."""

import secrets
import string
from dataclasses import dataclass, field
from typing import Final

# What the emulator accepts: access key ids, a comma between. Its environment is the one place
# where they are, for arguments are everybody's to read.
KEYS_VARIABLE: Final = "AISTRATUS_EMULATOR_KEYS"
_LETTERS: Final = string.ascii_uppercase + "234567"
_ID_LETTERS: Final = 16


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key as AWS has them: an id and a secret."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)


def new_access_key() -> AccessKey:
    """A key that nobody can guess: its id alone has 80 bits."""
    letters = "".join(secrets.choice(_LETTERS) for _ in range(_ID_LETTERS))
    return AccessKey(f"AKIA{letters}", secrets.token_urlsafe(30))
