"""Writes the API's document: `python -m aistratus_router.api FILE`."""

import sys
from pathlib import Path

from aistratus_router.api.openapi import document_text
from aistratus_router.api.routes import ROUTES


def main(arguments: list[str]) -> None:
    """Write the OpenAPI document to a file."""
    (path,) = arguments
    Path(path).write_text(document_text(ROUTES), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
