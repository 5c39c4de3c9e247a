"""Fetches Wycheproof's vectors for signed tokens; the tests run them if they are there."""

from pathlib import Path
from typing import Final

CACHE: Final = Path.home() / ".cache" / "aistratus" / "wycheproof"
