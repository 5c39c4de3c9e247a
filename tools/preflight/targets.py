"""The Makefile's targets: the variables that each takes, and its check before it runs."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aistratus_desktop.prompt import WrongPrompt, check_prompt
from aistratus_desktop.settings import SettingsError, load_settings
from aistratus_local.errors import LocalError
from aistratus_local.options import read_options
from aistratus_local.ports import VARIABLES, Ports, port_of
from aistratus_router.redrive_request import WrongRequest, read_request
from cloud import asked
from cloud.errors import CloudError, Usage
from cloud.public_file import PUBLIC_FILE, environment_of
from housekeeping import ROOT, debian
from housekeeping.errors import HouseError
from native_wheel.asked import processor_of, version_of
from preflight.errors import PreflightError, WrongCall
from release_notes.notes import NotesError, notes

Check = Callable[[Sequence[str], Mapping[str, str]], None]

IMAGES: Final = ROOT / "packer" / "worker"
_VARIABLES_OF_AN_IMAGE: Final = ".pkrvars.hcl"


def _nothing(_arguments: Sequence[str], _environ: Mapping[str, str]) -> None:
    """The check of targets that take no arguments or check their own."""


def _local(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    try:
        read_options(arguments[0], arguments[1:], environ)
    except LocalError as error:
        raise WrongCall(str(error)) from error


def _cloud(arguments: Sequence[str], _environ: Mapping[str, str]) -> None:
    try:
        asked.check_programs(asked.read(arguments))
    except Usage as error:
        raise WrongCall(str(error)) from error
    except CloudError as error:
        raise PreflightError(str(error)) from error


def _is_cloud(environ: Mapping[str, str]) -> bool:
    """Whether the target is meant for a deployment, by the Makefile's own rule."""
    if environ.get("WHERE") == "local" and environ.get("ENV"):
        raise WrongCall("WHERE=local is the demo on this machine, which has no ENV: leave one out.")
    return bool(environ.get("WHERE") == "cloud" or environ.get("ENV"))


def _ask(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    if not _is_cloud(environ):
        _local(arguments, environ)
        return
    try:
        check_prompt(environ.get("PROMPT", ""))
    except WrongPrompt as error:
        raise WrongCall(str(error)) from error
    _app(arguments, environ)


def _app(_arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Check that a deployment was made from here, and that it is `ENV`, if that is set."""
    wanted, known = environ.get("ENV", ""), environment_of(PUBLIC_FILE)
    if wanted:
        try:
            asked.check_environment(wanted)
        except Usage as error:
            raise WrongCall(str(error)) from error
    if wanted and known and wanted != known:
        raise PreflightError(
            f"What this checkout deployed last is {known}, not {wanted}. Leave ENV out to use "
            f"{known}, or bring {wanted} up to date from here: make deploy ENV={wanted}"
        )
    try:
        load_settings(environ, ROOT)
    except SettingsError as error:
        if known or any(name.startswith("AISTRATUS_") for name in environ):
            raise PreflightError(str(error)) from error
        raise PreflightError(
            "Nothing is deployed from this checkout yet. Deploy it with "
            f"make deploy ENV={wanted or 'dev'}, or try it on this machine: make demo"
        ) from error


def _redrive(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    if _is_cloud(environ):
        _cloud(arguments, environ)
        return
    try:
        read_request(arguments[1:])
        variable = VARIABLES["gateway"]
        port_of(environ.get(variable) or str(Ports().gateway), variable)
    except (WrongRequest, LocalError) as error:
        raise WrongCall(str(error)) from error


def _image(_arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    known = sorted(
        path.name.removesuffix(_VARIABLES_OF_AN_IMAGE)
        for path in IMAGES.glob(f"*{_VARIABLES_OF_AN_IMAGE}")
    )
    if environ.get("VARIANT", "") not in known:
        raise WrongCall(
            f"There is no image {environ.get('VARIANT', '')!r}. Say VARIANT= one of: "
            f"{', '.join(known)}."
        )
    if shutil.which("packer", path=environ.get("PATH")) is None:
        raise PreflightError(
            "Packer is not installed. Install 1.6.6 or newer "
            "(https://developer.hashicorp.com/packer/install), and put it on the PATH."
        )


def _release_notes(_arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    try:
        notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), environ.get("VERSION", ""))
    except NotesError as error:
        raise WrongCall(str(error)) from error


def _native_wheel(_arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    try:
        processor_of(environ)
    except HouseError as error:
        raise WrongCall(str(error)) from error


def _pin_wheels(_arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    try:
        version_of(environ)
    except HouseError as error:
        raise WrongCall(str(error)) from error


def _picture(_arguments: Sequence[str], _environ: Mapping[str, str]) -> None:
    chromium = next(need for need in debian.needs() if need.name == "chromium")
    if chromium.found() is None:
        raise PreflightError(f"The picture is filmed with Chromium: {chromium.remedy}.")


def _booted_machine(_arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    if os.geteuid() != 0:
        raise PreflightError("Booting a machine needs root: sudo make bench-boot")
    for program in ("systemd-nspawn", "mmdebstrap"):
        if shutil.which(program, path=environ.get("PATH")) is None:
            raise PreflightError(
                f"Booting a machine needs {program}, which is not installed (on Debian: "
                "sudo apt install systemd-container mmdebstrap)."
            )


@dataclass(frozen=True, slots=True)
class Target:
    """The variables that a target takes, and its check, which gets its program's arguments."""

    takes: frozenset[str] = frozenset()
    check: Check = _nothing


def _target(takes: str = "", check: Check = _nothing) -> Target:
    return Target(frozenset(takes.split()), check)


_PORTS: Final = "APP_PORT GATEWAY_PORT ISSUER_PORT EMULATOR_PORT IMDS_PORT"

TARGETS: Final[Mapping[str, Target]] = {
    "demo": _target(f"MODEL {_PORTS}", _local),
    "ask": _target(f"PROMPT WHERE ENV MODEL {_PORTS}", _ask),
    "token": _target(_PORTS, _local),
    "interrupt": _target(f"MODEL {_PORTS}", _local),
    "redrive": _target(f"ENV WHERE REGION ARGS {_PORTS}", _redrive),
    "deploy": _target("ENV REGION IMAGE_ID ARGS", _cloud),
    "plan": _target("ENV REGION IMAGE_ID ARGS", _cloud),
    "drift": _target("ENV REGION IMAGE_ID ARGS", _cloud),
    "destroy": _target("ENV REGION YES", _cloud),
    "outputs": _target("ENV REGION ARGS", _cloud),
    "user": _target("ENV REGION EMAIL AGAIN", _cloud),
    "fleet": _target("ENV REGION ARGS", _cloud),
    "start": _target("ENV REGION ARGS", _cloud),
    "stop": _target("ENV REGION ARGS", _cloud),
    "app": _target("ENV", _app),
    "bootstrap": _target("REGION GITHUB_REPOSITORY ARGS", _cloud),
    "publish-image": _target("REGION IMAGE_ID", _cloud),
    "unlock": _target("ENV REGION LOCK", _cloud),
    "setup": _target(),
    "test": _target("ARGS"),
    "test-long": _target(),
    "lint": _target(),
    "format": _target(),
    "openapi": _target(),
    "role-pages": _target(),
    "cost": _target(),
    "terraform-pages": _target(),
    "router.zip": _target(),
    "release-notes": _target("VERSION", _release_notes),
    "native-wheel": _target("PROCESSOR", _native_wheel),
    "pin-wheels": _target("VERSION GITHUB_REPOSITORY", _pin_wheels),
    "picture": _target("ARGS", _picture),
    "image": _target("VARIANT ARGS", _image),
    "bench": _target("ARGS"),
    "bench-engine": _target("ARGS"),
    "soak": _target("ARGS"),
    "attack": _target("ARGS"),
    "bench-boot": _target("ARGS", _booted_machine),
    "standin": _target("ARGS"),
    "lock": _target("UPGRADE"),
    "clean": _target(),
    "help": _target(),
}
