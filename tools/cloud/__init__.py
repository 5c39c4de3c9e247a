"""The cloud from the operator's side: one command up, one command down.

    make deploy ENV=dev
    PYTHONPATH=tools python -m cloud deploy dev

The Makefile calls the second.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The repository."""
