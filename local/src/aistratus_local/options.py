"""The commands' options, from the command line or, through `make`, from the environment."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from aistratus_desktop.prompt import WrongPrompt, check_prompt
from aistratus_local.choices import STANDIN, check_choice
from aistratus_local.endings import Ending
from aistratus_local.errors import Usage
from aistratus_local.ports import VARIABLES, Ports, port_of


@dataclass(frozen=True, slots=True)
class Options:
    """A command's options, checked."""

    model: str
    ports: Ports
    with_app: bool = True
    with_browser: bool = True
    prompt: str = ""
    as_json: bool = False
    ending: Ending = Ending.SPOT


class _Parser(argparse.ArgumentParser):
    """Raises `Usage` with a sentence that says what is wrong."""

    def error(self, message: str) -> NoReturn:
        raise Usage(f"{self.prog}: {message}. {self.prog} --help lists what it takes.")


def read_options(
    command: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> Options:
    """The options of a command; raises `Usage` for a wrong model, port or prompt.

    It needs only Python's standard library: make runs it before installing anything.
    """
    environment = os.environ if environment is None else environment
    parser = _Parser(prog=f"python -m aistratus_local {command}")
    parser.add_argument("--model", default=environment.get("MODEL") or STANDIN)
    for name, variable in VARIABLES.items():
        default = environment.get(variable) or str(getattr(Ports(), name))
        parser.add_argument(f"--{name}-port", default=default, metavar="PORT")
    if command == "demo":
        parser.add_argument("--no-browser", action="store_true", help="do not open the browser")
        parser.add_argument("--no-app", action="store_true", help="only what is behind the API")
    elif command == "interrupt":
        endings = [ending.value for ending in Ending]
        parser.add_argument("ending", nargs="?", choices=endings, default=Ending.SPOT.value)
    elif command == "ask":
        parser.add_argument("prompt", nargs="?", default=environment.get("PROMPT", ""))
        parser.add_argument("--json", action="store_true", help="one event a line, as JSON")
    chosen = parser.parse_args(arguments)
    if command == "ask":
        try:
            check_prompt(chosen.prompt)
        except WrongPrompt as error:
            raise Usage(str(error)) from error
    ports = {
        name: port_of(getattr(chosen, f"{name}_port"), variable)
        for name, variable in VARIABLES.items()
    }
    return Options(
        model=check_choice(chosen.model),
        ports=Ports(**ports),
        with_app=not getattr(chosen, "no_app", False),
        with_browser=not getattr(chosen, "no_browser", False),
        prompt=getattr(chosen, "prompt", ""),
        as_json=getattr(chosen, "json", False),
        ending=Ending(getattr(chosen, "ending", Ending.SPOT)),
    )
