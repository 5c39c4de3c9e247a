"""A steward that does nothing, for tests that call the real one themselves."""

from typing import Any


def handler(event: Any, context: Any) -> dict[str, int]:
    return {}
