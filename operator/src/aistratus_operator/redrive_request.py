"""What an operator asks of the dead-letter queue, as command-line options."""

import argparse
import re
from dataclasses import dataclass

from aistratus_contracts.job import JOB_ID_PATTERN
from aistratus_operator.errors import Usage


@dataclass(frozen=True, slots=True)
class Request:
    """What to do: list only, or act on the dead letters of these jobs, or on all."""

    job_ids: frozenset[str] = frozenset()
    is_all: bool = False
    is_delete: bool = False
    as_json: bool = False


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that `request_of` reads."""
    parser.add_argument(
        "--job",
        action="append",
        default=[],
        metavar="ID",
        help="put this job back; may be repeated",
    )
    parser.add_argument("--all", action="store_true", help="put back all that can be")
    parser.add_argument(
        "--delete", action="store_true", help="with --job or --all: delete what cannot be put back"
    )
    parser.add_argument("--json", action="store_true", help="one JSON array instead of a table")


def request_of(chosen: argparse.Namespace) -> Request:
    """What these options ask for; raises `Usage` if they are wrong or contradict each other."""
    if chosen.all and chosen.job:
        raise Usage("Say either --all or --job, not both.")
    if chosen.delete and not (chosen.all or chosen.job):
        raise Usage("Say what to delete: --job ID --delete, or --all --delete.")
    for job_id in chosen.job:
        if not re.fullmatch(JOB_ID_PATTERN, job_id):
            raise Usage(
                f"{job_id!r} is no job id: those are job- and 24 letters and digits. Leave --job "
                "out to list all dead letters."
            )
    return Request(frozenset(chosen.job), chosen.all, chosen.delete, chosen.json)
