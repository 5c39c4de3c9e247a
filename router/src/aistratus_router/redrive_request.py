"""What an operator asks of the dead-letter queue, as command-line options."""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from aistratus_contracts.job import JOB_ID_PATTERN
from aistratus_router.errors import RouterError

_PROGRAM: Final = "make redrive"


class WrongRequest(RouterError):
    """The command line makes no sense."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to do: list only, or act on these jobs' letters, or on all."""

    job_ids: frozenset[str] = frozenset()
    is_all: bool = False
    is_delete: bool = False
    as_json: bool = False


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise WrongRequest(f"{self.prog}: {message}. {self.prog} ARGS=--help lists what it takes.")


def read_request(arguments: Sequence[str] | None) -> Request:
    """What the command line asks for; raises `WrongRequest`."""
    parser = _Parser(
        prog=_PROGRAM,
        description="Shows the dead-letter queue, and puts jobs back.",
        allow_abbrev=False,
    )
    add_options(parser)
    return request_of(parser.parse_args(arguments))


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that `request_of` reads."""
    parser.add_argument("--job", action="append", default=[], metavar="ID", help="this job's")
    parser.add_argument("--all", action="store_true", help="all that can be put back")
    parser.add_argument(
        "--delete", action="store_true", help="with --job or --all: remove what cannot be put back"
    )
    parser.add_argument("--json", action="store_true", help="one JSON array instead of a table")


def request_of(chosen: argparse.Namespace) -> Request:
    """What these options ask for; raises `WrongRequest` if they contradict each other."""
    if chosen.all and chosen.job:
        raise WrongRequest("Say either --all or --job, not both.")
    if chosen.delete and not (chosen.all or chosen.job):
        raise WrongRequest("Say what to delete: --job ID --delete, or --all --delete.")
    for job_id in chosen.job:
        if not re.fullmatch(JOB_ID_PATTERN, job_id):
            raise WrongRequest(
                f"{job_id!r} is no job id; those begin with job- and have 24 letters and digits "
                "more. Without --job, all letters are listed."
            )
    return Request(frozenset(chosen.job), chosen.all, chosen.delete, chosen.json)
