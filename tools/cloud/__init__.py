"""The operator's side of the cloud: one command deploys, one command destroys.

    make deploy ENV=dev
    PYTHONPATH=tools python -m cloud deploy dev

The Makefile calls the second.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The repository."""
