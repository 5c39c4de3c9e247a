"""Reads and checks a command's arguments, with only Python's standard library.

So `make` can refuse a wrong call before it installs anything and before it calls AWS.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from aistratus_router import redrive_request
from cloud import ROOT
from cloud.errors import Usage
from cloud.terraform import find

COMMANDS: Final = (
    "deploy",
    "plan",
    "drift",
    "destroy",
    "outputs",
    "user",
    "fleet",
    "start",
    "stop",
    "redrive",
    "bootstrap",
    "publish-image",
    "unlock",
    "credentials",
)
BOOTSTRAP: Final = "bootstrap"
"""What `unlock` takes in place of an environment: the state of the state bucket itself."""

_WITHOUT_ENVIRONMENT: Final = {"bootstrap", "publish-image", "credentials"}
_WITH_IMAGE: Final = {"deploy", "plan", "drift", "publish-image"}
_WITH_JSON: Final = {"deploy", "drift", "outputs", "fleet", "start", "stop", "bootstrap"}
_WITH_TERRAFORM: Final = {"deploy", "plan", "drift", "destroy", "outputs", "bootstrap", "unlock"}

_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")
_IMAGE_ID: Final = re.compile(r"ami-([0-9a-f]{8}|[0-9a-f]{17})")
_REPOSITORY: Final = re.compile(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+")
# Checks the form of an address; only a mail can tell whether it exists.
_ADDRESS: Final = re.compile(r"[^@\s,;<>()\"]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_MAX_ADDRESS_LENGTH: Final = 254  # RFC 5321, section 4.5.3.1.3, less the angle brackets


def _refusal(program: str, message: str) -> str:
    return f"{program}: {message}. {program} ARGS=--help lists what it takes."


class _Parser(argparse.ArgumentParser):
    """Raises `Usage` with a sentence that says what is wrong."""

    def error(self, message: str) -> NoReturn:
        raise Usage(_refusal(self.prog, message))


def read(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command and its options; raises `Usage` if they are invalid."""
    chosen, unknown = _parser().parse_known_args(arguments)
    if unknown:
        raise Usage(_refusal(f"make {chosen.command}", f"unknown: {' '.join(unknown)}"))
    if chosen.command not in _WITHOUT_ENVIRONMENT and not (
        chosen.command == "unlock" and chosen.env == BOOTSTRAP
    ):
        check_environment(chosen.env)
    check_region(chosen.region)
    match chosen.command:
        case "deploy" | "plan" | "drift" | "publish-image":
            check_image_id(chosen.image_id)
        case "user":
            check_address(chosen.email, chosen.env)
        case "redrive":
            chosen.request = _redrive_request(chosen)
        case "bootstrap" if chosen.github_repository:
            _check_repository(chosen.github_repository)
        case "destroy" if not chosen.yes and not sys.stdin.isatty():
            raise Usage(
                "Removing an environment needs somebody who types its name. From a script, say "
                f"so: make destroy ENV={chosen.env} YES=1"
            )
    return chosen


def check_programs(chosen: argparse.Namespace) -> None:
    """Raises a `CloudError` if a program that the command calls is missing or too old."""
    if chosen.command in _WITH_TERRAFORM:
        find()


def check_environment(name: str, folder: Path = ROOT / "terraform") -> None:
    """Raises `Usage` for an environment that has no file in terraform/envs."""
    known = sorted(path.stem for path in (folder / "envs").glob("*.tfvars"))
    listed = " or ".join(f"ENV={each}" for each in known)
    if not name:
        raise Usage(f"Say which environment: {listed}.")
    if name not in known:
        raise Usage(
            f"There is no environment {name!r}. Say {listed}, or make one by copying "
            f"terraform/envs/{known[0]}.tfvars."
        )


def check_region(region: str) -> None:
    """Raises `Usage` for an impossible region; an empty one is accepted and chosen later."""
    if region and not _REGION.fullmatch(region):
        raise Usage(f"There is no AWS region {region!r}. Set REGION to one such as eu-central-1.")


def check_image_id(image_id: str) -> None:
    """Raises `Usage` for an impossible AMI id; an empty one is accepted and looked up later."""
    if image_id and not _IMAGE_ID.fullmatch(image_id):
        raise Usage(
            f"IMAGE_ID is {image_id!r}, which is no image's id: those are ami- and 8 or 17 "
            "hexadecimal digits. Correct it, or leave it out."
        )


def check_address(email: str, environment: str) -> str:
    """The address without surrounding blanks; raises `Usage` if it is not a mail address."""
    address = email.strip()
    if not address:
        raise Usage(f"Say whom: make user ENV={environment} EMAIL=somebody@example.org")
    if not _ADDRESS.fullmatch(address) or len(address) > _MAX_ADDRESS_LENGTH:
        raise Usage(
            f"EMAIL is {address!r}, which is no mail address. Write it like somebody@example.org."
        )
    return address


def _check_repository(name: str) -> None:
    if not _REPOSITORY.fullmatch(name):
        raise Usage(
            f"GITHUB_REPOSITORY is {name!r}, which is no repository. Write it as owner/name."
        )


def _redrive_request(chosen: argparse.Namespace) -> redrive_request.Request:
    try:
        return redrive_request.request_of(chosen)
    except redrive_request.WrongRequest as error:
        raise Usage(str(error)) from error


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="cloud", description="Aistratus on AWS.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in COMMANDS:
        command = commands.add_parser(name, prog=f"make {name}", allow_abbrev=False)
        if name not in _WITHOUT_ENVIRONMENT:
            command.add_argument("env", help="the environment: a file in terraform/envs")
        command.add_argument("--region", default="")
        if name in _WITH_IMAGE:
            command.add_argument("--image-id", default="")
        if name in _WITH_JSON:
            command.add_argument("--json", action="store_true", help="for machines")
        if name == "plan":
            command.add_argument("--detailed-exitcode", action="store_true")
        elif name == "destroy":
            command.add_argument("--yes", action="store_true", help="do not ask")
        elif name == "user":
            command.add_argument("--email", default="")
            command.add_argument("--again", action="store_true", help="send a new password")
        elif name == "bootstrap":
            command.add_argument("--github-repository", default=None, metavar="OWNER/NAME")
        elif name == "unlock":
            command.add_argument("--lock", default="", help="its id; without it: who holds it")
        elif name == "redrive":
            redrive_request.add_options(command)
    return parser
