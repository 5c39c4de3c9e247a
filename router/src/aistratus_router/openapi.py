"""The OpenAPI document (to come)."""


def document_text() -> str:
    """As JSON text."""
    return "{}"
