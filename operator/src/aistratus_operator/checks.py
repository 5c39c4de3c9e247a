"""Checks values from the command line, with only Python's standard library.

Each check raises `Usage`, with a sentence that holds for `aistratus` and for `make`.
"""

import re
from pathlib import Path
from typing import Final

from aistratus_operator import ROOT
from aistratus_operator.errors import OperatorError, Usage

BOOTSTRAP: Final = "bootstrap"
"""What `unlock` takes in place of an environment: the state of the state bucket itself."""

DEFAULT_KEPT: Final = 3
"""How many images of a variant `prune-images` keeps: the last, and two to go back to."""

_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")
_IMAGE_ID: Final = re.compile(r"ami-([0-9a-f]{8}|[0-9a-f]{17})")
_REPOSITORY: Final = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9-]*(?:/[A-Za-z0-9._-]+|@[0-9]+/[A-Za-z0-9._-]+@[0-9]+)"
)
# Checks the form of an address; only a mail can tell whether it exists.
_ADDRESS: Final = re.compile(r"[^@\s,;<>()\"]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_MAX_ADDRESS_LENGTH: Final = 254  # RFC 5321, section 4.5.3.1.3, less the angle brackets


def check_environment(name: str, folder: Path = ROOT / "terraform") -> None:
    """Check that terraform/envs has a file of that name."""
    known = sorted(path.stem for path in (folder / "envs").glob("*.tfvars"))
    if not known:
        raise OperatorError(
            f"There are no environments in {folder / 'envs'}. Run aistratus from a checkout's "
            ".venv: tools/setup setup operator makes one."
        )
    listed = " or ".join(f"ENV={each}" for each in known)
    if not name:
        raise Usage(f"Say which environment: {listed} (aistratus: --env {known[0]}).")
    if name not in known:
        raise Usage(
            f"There is no environment {name!r}. Say {listed}, or make one by copying "
            f"terraform/envs/{known[0]}.tfvars."
        )


def check_region(region: str) -> None:
    """Check a region's form; an empty one is accepted and chosen later."""
    if region and not _REGION.fullmatch(region):
        raise Usage(f"There is no AWS region {region!r}. Name one such as eu-central-1.")


def check_image_id(image_id: str) -> None:
    """Check the form of an AMI id; an empty one is accepted and looked up later."""
    if image_id and not _IMAGE_ID.fullmatch(image_id):
        raise Usage(
            f"{image_id!r} is no image id: those are ami- and 8 or 17 hexadecimal digits. "
            "Correct IMAGE_ID, or leave it out."
        )


def check_kept(number: int) -> None:
    """Check how many images are to stay."""
    if number < 1:
        raise Usage(f'To keep {number} images means nothing. Say ARGS="--keep 1" or more.')


def check_address(email: str, environment: str) -> str:
    """The address without surrounding blanks, if it has the form of a mail address."""
    address = email.strip()
    if not address:
        raise Usage(f"Say whom to invite: make user ENV={environment} EMAIL=somebody@example.org")
    if not _ADDRESS.fullmatch(address) or len(address) > _MAX_ADDRESS_LENGTH:
        raise Usage(f"{address!r} is no mail address. Write EMAIL like somebody@example.org.")
    return address


def check_repository(name: str) -> None:
    """Check the form of a GitHub repository's name, with its ids or without."""
    if not _REPOSITORY.fullmatch(name):
        raise Usage(
            f"{name!r} is no GitHub repository. Write it as owner/name, or with both ids: "
            "owner@ID/name@ID."
        )
