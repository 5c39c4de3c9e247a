"""The demo's options, from the command line or, through `make`, from the environment.

Only Python's standard library is imported: make reads them before it installs anything.
"""

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aistratus_local.choices import CHOICES, STANDIN, check_choice
from aistratus_local.ports import VARIABLES, PortNumbers, port_of


@dataclass(frozen=True, slots=True)
class Options:
    """What to start: the model, the ports, and whether the app and a browser belong to it."""

    model: str = STANDIN
    ports: PortNumbers = field(default_factory=PortNumbers)
    with_app: bool = True
    with_browser: bool = True


def add_options(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    """Add the demo's options to a command's parser; `environment` has their defaults."""
    add_model(parser, environment)
    add_ports(parser, environment)
    parser.add_argument("--no-browser", action="store_true", help="do not open the browser")
    parser.add_argument("--no-app", action="store_true", help="start what is behind the API only")


def options_of(chosen: argparse.Namespace) -> Options:
    """The demo's options; raises `Usage` for a wrong model or port."""
    return Options(
        check_choice(chosen.model), ports_of(chosen), not chosen.no_app, not chosen.no_browser
    )


def add_model(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    """Add `--model`."""
    parser.add_argument(
        "--model",
        default=environment.get("MODEL") or STANDIN,
        help=f"what answers: {', '.join(CHOICES)} (or the variable MODEL)",
    )


def add_ports(
    parser: argparse.ArgumentParser,
    environment: Mapping[str, str],
    names: Iterable[str] = tuple(VARIABLES),
) -> None:
    """Add an option for each of these ports."""
    for name in names:
        variable, known = VARIABLES[name], getattr(PortNumbers(), name)
        parser.add_argument(
            f"--{name}-port",
            default=environment.get(variable) or str(known),
            metavar="PORT",
            help=f"{known or 'any free one'} by default (or the variable {variable})",
        )


def ports_of(chosen: argparse.Namespace) -> PortNumbers:
    """The ports that were given; raises `Usage` for what is no port."""
    given = {
        name: port_of(text, variable)
        for name, variable in VARIABLES.items()
        if (text := getattr(chosen, f"{name}_port", None)) is not None
    }
    return PortNumbers(**given)
