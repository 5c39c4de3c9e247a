"""A steward that does nothing, where a test calls the real one itself."""

from typing import Any


def handler(event: Any, context: Any) -> dict[str, int]:
    return {}
