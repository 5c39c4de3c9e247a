"""Reads and checks the command line of `aistratus`, with only Python's standard library.

So `make` can refuse a wrong call before it installs anything and before it calls AWS.
"""

import argparse
import difflib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from aistratus_desktop.prompt import WrongPrompt, check_prompt
from aistratus_desktop.settings import SettingsError, load_settings
from aistratus_local import options as demo_options
from aistratus_local.choices import check_choice
from aistratus_local.endings import Ending
from aistratus_local.errors import LocalError
from aistratus_operator import ROOT, redrive_request
from aistratus_operator.checks import (
    BOOTSTRAP,
    DEFAULT_KEPT,
    check_address,
    check_environment,
    check_image_id,
    check_kept,
    check_region,
    check_repository,
)
from aistratus_operator.cloud import packer
from aistratus_operator.cloud.packer import DEFAULT_VARIANT, check_variant
from aistratus_operator.cloud.public_file import PUBLIC_FILE, environment_of
from aistratus_operator.cloud.shell_programs import find_programs
from aistratus_operator.cloud.terraform import find
from aistratus_operator.errors import OperatorError, Usage

CLOUD: Final = "cloud"
DEMO: Final = "demo"


@dataclass(frozen=True, slots=True)
class Command:
    """A command: a line for the list of commands, more for its own help, and its options."""

    summary: str
    details: str = ""
    takes: str = ""


COMMANDS: Final[Mapping[str, Command]] = {
    "demo": Command(
        "run the whole system on this machine, with the app in the browser",
        "Ctrl-C stops everything.",
    ),
    "ask": Command(
        "ask one question in the terminal",
        "Asks the demo that runs here, or starts the system for this question. With --env or "
        "--where cloud, asks what this checkout has deployed.",
        "env where",
    ),
    "token": Command(
        "print an access token of the running demo, for curl and scripts",
        "It is valid for an hour. A deployment's tokens come from its login, in a browser.",
    ),
    "interrupt": Command("take the running demo's instance away, as Spot does; answers continue"),
    "redrive": Command(
        "list dead letters, and put their jobs back",
        "Of the demo that runs here or, with --env, of what is deployed. Ends with 1 if something "
        "could not be put back.",
        "env where region",
    ),
    "deploy": Command(
        "create an environment on AWS, or bring it up to date",
        "Checks quotas, region and image first. A broken-off run is finished by the next one.",
        "env region image-id json",
    ),
    "plan": Command(
        "show what a deploy would change",
        takes="env region image-id detailed-exitcode",
    ),
    "drift": Command(
        "say whether AWS has what this checkout describes",
        "Ends with 0 if it has, 2 if something differs.",
        "env region image-id json",
    ),
    "destroy": Command("remove an environment with all its data", takes="env region yes"),
    "outputs": Command("show addresses and names of what is deployed", takes="env region json"),
    "user": Command(
        "invite a user, who gets a password by mail",
        takes="env region email again",
    ),
    "fleet": Command("say whether a GPU is on, and for how many jobs", takes="env region json"),
    "doctor": Command(
        "say what is wrong with the account or with what is deployed, and what to do",
        "Changes nothing. Each check is ok, a problem, or not seen. Ends with 1 if there is a "
        "problem.",
        "env region image-id json",
    ),
    "smoke": Command(
        "deploy, ask, take the instance away, and remove it all: what only an account can tell",
        "At most 15 minutes and 1 USD; says before what it does, and asks. Writes what was seen "
        "into docs/seen.md. Ends with 1 if something differs.",
        "env region image-id existing report yes json",
    ),
    "start": Command("turn the GPU on before the first prompt", takes="env region json"),
    "stop": Command(
        "turn the GPU off now",
        "Running jobs return to the queue; they continue when the GPU is on again.",
        "env region json",
    ),
    "shell": Command(
        "open a shell on the instance that is on, through Session Manager",
        "Needs session_manager = true in the environment's file.",
        "env region",
    ),
    "app": Command(
        "serve the chat to this machine's browser, with what is deployed",
        "Ctrl-C ends it.",
        "env",
    ),
    BOOTSTRAP: Command(
        "make the state bucket, and the roles of GitHub's workflows",
        "Once per account and region; a deploy makes the bucket by itself.",
        "region github-repository json",
    ),
    "image": Command(
        "bake the workers' image on AWS with Packer",
        "Checks Packer, credentials, region, quota and architecture first, and takes a smaller "
        "builder if the quota is small. What follows -- is for `packer build`.",
        "variant region",
    ),
    "publish-image": Command(
        "make the last baked image the one that other checkouts deploy",
        takes="region image-id",
    ),
    "prune-images": Command(
        "remove old images of a variant, with their snapshots",
        "Keeps the newest, the published one, and all that an instance or a launch template has.",
        "variant region keep dry-run yes json",
    ),
    "unlock": Command(
        "say which run has locked a state, and unlock it if that run is dead",
        f"--env {BOOTSTRAP} is the state of the state bucket itself.",
        "env region lock",
    ),
}

_OPTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "env": {
        "default": "",
        "metavar": "NAME",
        "help": "the environment: a file in terraform/envs (or the variable ENV)",
    },
    "where": {
        "default": "",
        "metavar": "PLACE",
        "help": "local: the demo here; cloud: what is deployed",
    },
    "region": {
        "default": "",
        "help": "by default the environment's own, AWS_REGION, or eu-central-1",
    },
    "variant": {
        "default": DEFAULT_VARIANT,
        "metavar": "NAME",
        "help": "which image, a file in packer/worker (default: %(default)s)",
    },
    "image-id": {
        "default": "",
        "metavar": "AMI",
        "help": "by default the last baked image, or the published one",
    },
    "json": {"action": "store_true", "help": "print JSON, for scripts"},
    "detailed-exitcode": {
        "action": "store_true",
        "help": "end with 2 if there is something to change",
    },
    "keep": {
        "type": int,
        "default": DEFAULT_KEPT,
        "metavar": "N",
        "help": "how many of the newest stay (default: %(default)s)",
    },
    "dry-run": {"action": "store_true", "help": "say what would be removed, and remove nothing"},
    "existing": {
        "action": "store_true",
        "help": "test an environment that is deployed, and leave it",
    },
    "report": {
        "default": "",
        "metavar": "FILE",
        "help": "by default docs/seen.md, or build/seen.md of a run that broke off",
    },
    "yes": {"action": "store_true", "help": "do not ask"},
    "email": {"default": "", "metavar": "ADDRESS", "help": "whom to invite"},
    "again": {"action": "store_true", "help": "send a new password to an invited user"},
    "github-repository": {
        "default": None,
        "metavar": "OWNER[@ID]/NAME[@ID]",
        "help": "whose workflows get roles; an empty one removes the roles",
    },
    "lock": {"default": "", "metavar": "ID", "help": "free this lock"},
}

_PLACES: Final = ("", "local", CLOUD)
_WITH_TERRAFORM: Final = {
    *("deploy", "plan", "drift", "destroy", "outputs", "smoke"),
    *(BOOTSTRAP, "unlock"),
}


class _Parser(argparse.ArgumentParser):
    """Raises `Usage` with a sentence that says what is wrong."""

    def error(self, message: str) -> NoReturn:
        by_make = self.prog.startswith("make ")
        asked = f"{self.prog} ARGS=--help" if by_make else f"{self.prog} --help"
        raise Usage(f"{self.prog}: {message}. {asked} lists what it takes.")


def read(
    arguments: Sequence[str],
    environ: Mapping[str, str] | None = None,
    program: str = "aistratus",
) -> argparse.Namespace:
    """The command and its options, checked; `place` says whether it is for the cloud.

    `environ` has defaults, such as ENV. `program` is what the person called, for error texts.
    Raises `Usage` if the call is wrong, and `OperatorError` if it cannot be served here.
    """
    environ = os.environ if environ is None else environ
    parser, parsers = _parsers(program, environ)
    if not arguments:
        raise Usage(parser.format_help().rstrip())
    if not arguments[0].startswith("-") and arguments[0] not in COMMANDS:
        near = difflib.get_close_matches(arguments[0], COMMANDS, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise Usage(f"There is no command {arguments[0]!r}. {hint}{program} --help lists all.")
    chosen, unknown = parser.parse_known_args(arguments)
    if unknown:
        parsers[chosen.command].error(f"unknown: {' '.join(unknown)}")
    try:
        _check(chosen, environ)
    except (LocalError, WrongPrompt) as error:
        raise Usage(str(error)) from error
    return chosen


def check_programs(chosen: argparse.Namespace) -> None:
    """Raises an `OperatorError` if a program that the command calls is missing or too old."""
    if chosen.command in _WITH_TERRAFORM:
        find()
    elif chosen.command == "image":
        packer.find()
    elif chosen.command == "shell":
        find_programs()


def needed_set(chosen: argparse.Namespace) -> str:
    """The set of packages that the command needs: `tools/setup setup SET` installs it."""
    if chosen.command == "image":
        return "dev"  # Packer runs Ansible
    return "operator" if chosen.place == CLOUD else "demo"


def _parsers(
    program: str, environ: Mapping[str, str]
) -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The program's parser, and that of each command."""
    parser = _Parser(
        prog=program,
        description="Aistratus: your own language model, on this machine or on your AWS account.",
        epilog=f"{program} COMMAND --help says what a command takes. Each command is also a target "
        "of make: make deploy ENV=dev.",
    )
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", title="commands"
    )
    parsers = {}
    for name, command in COMMANDS.items():
        summary = command.summary[0].upper() + command.summary[1:]
        made: argparse.ArgumentParser = commands.add_parser(
            name,
            prog=f"{program} {name}",
            help=command.summary,
            description=f"{summary}. {command.details}".rstrip(),
            allow_abbrev=False,
        )
        for option in command.takes.split():
            made.add_argument(f"--{option}", **_OPTIONS[option])
        _add_own(name, made, environ)
        parsers[name] = made
    return parser, parsers


def _add_own(name: str, parser: argparse.ArgumentParser, environ: Mapping[str, str]) -> None:
    """Add the options that only this command has."""
    match name:
        case "demo":
            demo_options.add_options(parser, environ)
        case "ask":
            parser.add_argument("--json", action="store_true", help="print each event as JSON")
            parser.add_argument(
                "prompt", nargs="?", default="", help='the question; "-" reads standard input'
            )
            demo_options.add_model(parser, environ)
            demo_options.add_ports(parser, environ, ["gateway"])
        case "interrupt":
            parser.add_argument(
                "ending",
                nargs="?",
                choices=[each.value for each in Ending],
                default=Ending.SPOT.value,
                help="how it ends (default: %(default)s)",
            )
            demo_options.add_ports(parser, environ, ["gateway"])
        case "token":
            demo_options.add_ports(parser, environ, ["gateway"])
        case "image":
            parser.add_argument(
                "packer", nargs="*", metavar="ARGUMENT", help="more for packer build, after --"
            )
        case "redrive":
            redrive_request.add_options(parser)
            demo_options.add_ports(parser, environ, ["gateway"])


def _check(chosen: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Check the options' values, and add what follows from them."""
    if "env" in COMMANDS[chosen.command].takes.split():
        chosen.env = chosen.env or _environment_of(environ)
    chosen.place = _place(chosen)
    if chosen.place == DEMO:
        _check_demo(chosen)
    else:
        _check_cloud(chosen, environ)


def _environment_of(environ: Mapping[str, str]) -> str:
    """ENV; a shell's ENV may name its start-up file, by a path: that is no environment of ours."""
    name = environ.get("ENV", "")
    return "" if "/" in name else name


def _place(chosen: argparse.Namespace) -> str:
    """Where the command acts: on what is deployed, or on this machine's demo."""
    if chosen.command in ("demo", "interrupt", "token"):
        return DEMO
    if "where" not in COMMANDS[chosen.command].takes.split():
        return CLOUD
    if chosen.where not in _PLACES:
        raise Usage(
            f"There is no place {chosen.where!r}. Say WHERE=cloud for what is deployed, "
            "WHERE=local for the demo here, or leave it out."
        )
    if chosen.where == "local" and chosen.env:
        raise Usage("WHERE=local is the demo on this machine, which has no ENV: leave one out.")
    return CLOUD if chosen.where == CLOUD or chosen.env else DEMO


def _check_demo(chosen: argparse.Namespace) -> None:
    if chosen.command == "demo":
        chosen.options = demo_options.options_of(chosen)
        return
    chosen.port = demo_options.ports_of(chosen).gateway
    if chosen.command == "ask":
        check_prompt(chosen.prompt)
        check_choice(chosen.model)
    elif chosen.command == "redrive":
        chosen.request = redrive_request.request_of(chosen)


def _check_cloud(chosen: argparse.Namespace, environ: Mapping[str, str]) -> None:
    if chosen.command in ("ask", "app"):
        if chosen.command == "ask":
            check_prompt(chosen.prompt)
        _check_deployed_from_here(chosen.env, environ)
        return
    takes_environment = hasattr(chosen, "env")
    if takes_environment and (chosen.command, chosen.env) != ("unlock", BOOTSTRAP):
        check_environment(chosen.env)
    check_region(getattr(chosen, "region", ""))
    check_image_id(getattr(chosen, "image_id", ""))
    match chosen.command:
        case "user":
            chosen.email = check_address(chosen.email, chosen.env)
        case "redrive":
            chosen.request = redrive_request.request_of(chosen)
        case "image":
            check_variant(chosen.variant)
        case "prune-images":
            check_variant(chosen.variant)
            check_kept(chosen.keep)
            if not chosen.yes and not chosen.dry_run and not sys.stdin.isatty():
                raise Usage(
                    f"To remove old images of {chosen.variant}, type its name at a terminal. In a "
                    f"script, confirm with: make prune-images VARIANT={chosen.variant} YES=1"
                )
        case "bootstrap" if chosen.github_repository:
            check_repository(chosen.github_repository)
        case "smoke" if not chosen.yes and not sys.stdin.isatty():
            raise Usage(
                f"The smoke test of {chosen.env} costs money, so it asks at a terminal. In a "
                f"script, confirm with: make smoke ENV={chosen.env} YES=1"
            )
        case "destroy" if not chosen.yes and not sys.stdin.isatty():
            raise Usage(
                f"To remove {chosen.env}, type its name at a terminal. In a script, confirm with: "
                f"make destroy ENV={chosen.env} YES=1"
            )


def _check_deployed_from_here(name: str, environ: Mapping[str, str]) -> None:
    """Check that this checkout has deployed something, and that it is `name`, if that is given."""
    if name:
        check_environment(name)
    known = environment_of(PUBLIC_FILE)
    if name and known and name != known:
        raise OperatorError(
            f"What this checkout deployed last is {known}, not {name}. Leave ENV out to use "
            f"{known}, or bring {name} up to date from here: make deploy ENV={name}"
        )
    try:
        load_settings(environ, ROOT)
    except SettingsError as error:
        if known or any(each.startswith("AISTRATUS_") for each in environ):
            raise OperatorError(str(error)) from error
        raise OperatorError(
            "Nothing is deployed from this checkout yet. Deploy it with "
            f"make deploy ENV={name or 'dev'}, or try it on this machine: make demo"
        ) from error
