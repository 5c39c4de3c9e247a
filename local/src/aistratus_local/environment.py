"""The environment that parts of the system, and what is measured, are started with."""

from collections.abc import Mapping
from typing import Final

WITHOUT_PROXY: Final = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
"""Everything is on loopback, where no proxy belongs."""


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without the variables that would affect the system."""
    kept = {
        name: value
        for name, value in environment.items()
        if not name.startswith(("AWS_", "AISTRATUS_", "MOTO_", "POWERTOOLS_"))
        and name not in ("PROMPT", "MODEL")
    }
    return {**kept, **WITHOUT_PROXY}
