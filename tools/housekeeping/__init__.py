"""The repository's own tools: set-up, Debian packages for the tests, lock files.

Standard library only, because they run before anything is installed.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The repository."""

COMPONENTS = ("contracts", "router", "daemon", "desktop", "local", "operator")
"""The folders with a package of ours; each is installed editable."""
