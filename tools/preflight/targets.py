"""The Makefile's targets: the variables that each takes, and its check before it runs."""

import argparse
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import standin_recipe.options

import boot_options
import cuda_wheel.asked
import engine_bench.options
import gpu_bench.options
import system.faults.options
import system.hostile.options
from aistratus_operator.arguments import check_programs, needed_set, read
from aistratus_operator.errors import OperatorError, Usage
from housekeeping import ROOT, debian
from housekeeping.errors import HouseError
from native_wheel.asked import processor_of, version_of
from preflight.errors import PreflightError, WrongCall
from release_notes.notes import NotesError, notes

Check = Callable[[str, Sequence[str], Mapping[str, str]], str | None]
"""Gets a target, its program's arguments and the environment; may return the set that it needs."""


def _nothing(_target: str, _arguments: Sequence[str], _environ: Mapping[str, str]) -> None:
    """The check of targets that take no arguments or check their own."""


def _command(target: str, arguments: Sequence[str], environ: Mapping[str, str]) -> str:
    """The check of an alias of `aistratus`, which has its own."""
    try:
        chosen = read([target, *arguments], environ, program="make")
        check_programs(chosen)
    except Usage as error:
        raise WrongCall(str(error)) from error
    except OperatorError as error:
        raise PreflightError(str(error)) from error
    return needed_set(chosen)


def _options(make_parser: Callable[[], argparse.ArgumentParser]) -> Check:
    """The check of a program that has only options, by the parser that it uses itself."""

    def check(target: str, arguments: Sequence[str], _environ: Mapping[str, str]) -> None:
        parser = make_parser()
        parser.exit_on_error = False
        try:
            _, unknown = parser.parse_known_args(list(arguments))
        except argparse.ArgumentError as error:
            raise _wrong(target, str(error)) from error
        if unknown:
            raise _wrong(target, f"unknown: {' '.join(unknown)}")

    return check


def _wrong(target: str, message: str) -> WrongCall:
    return WrongCall(f"make {target}: {message}. make {target} ARGS=--help lists what it takes.")


def _release_notes(_target: str, _arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    try:
        notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), environ.get("VERSION", ""))
    except NotesError as error:
        raise WrongCall(str(error)) from error


def _native_wheel(_target: str, _arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    try:
        processor_of(environ)
    except HouseError as error:
        raise WrongCall(str(error)) from error


def _cuda_wheel(_target: str, _arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    try:
        cuda_wheel.asked.architecture_of(environ)
    except HouseError as error:
        raise WrongCall(str(error)) from error


def _gpu_kit(target: str, arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    _cuda_wheel(target, arguments, environ)
    _options(cuda_wheel.asked.parser)(target, arguments, environ)


def _pin_wheels(_target: str, _arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    try:
        version_of(environ)
    except HouseError as error:
        raise WrongCall(str(error)) from error


def _picture(_target: str, _arguments: Sequence[str], _environ: Mapping[str, str]) -> None:
    chromium = next(need for need in debian.needs() if need.name == "chromium")
    if chromium.found() is None:
        raise PreflightError(f"The picture is filmed with Chromium: {chromium.remedy}.")


def _booted_machine(target: str, arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    _options(boot_options.parser)(target, arguments, environ)
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
    """The variables that a target takes, its check, and the set of packages that it needs."""

    takes: frozenset[str] = frozenset()
    check: Check = _nothing
    needs: str = "dev"


def _target(takes: str = "", check: Check = _nothing, needs: str = "dev") -> Target:
    return Target(frozenset(takes.split()), check, needs)


def _alias(takes: str) -> Target:
    """A target that is a command of `aistratus`."""
    return _target(takes, _command, "operator")


_PORTS: Final = "APP_PORT GATEWAY_PORT ISSUER_PORT EMULATOR_PORT IMDS_PORT"

TARGETS: Final[Mapping[str, Target]] = {
    "demo": _alias(f"MODEL {_PORTS}"),
    "ask": _alias(f"PROMPT WHERE ENV MODEL {_PORTS}"),
    "token": _alias(_PORTS),
    "interrupt": _alias(f"MODEL {_PORTS}"),
    "redrive": _alias(f"ENV WHERE REGION ARGS {_PORTS}"),
    "deploy": _alias("ENV REGION IMAGE_ID ARGS"),
    "plan": _alias("ENV REGION IMAGE_ID ARGS"),
    "drift": _alias("ENV REGION IMAGE_ID ARGS"),
    "destroy": _alias("ENV REGION YES"),
    "outputs": _alias("ENV REGION ARGS"),
    "user": _alias("ENV REGION EMAIL AGAIN"),
    "fleet": _alias("ENV REGION ARGS"),
    "doctor": _alias("ENV REGION IMAGE_ID ARGS"),
    "smoke": _alias("ENV REGION IMAGE_ID YES ARGS"),
    "start": _alias("ENV REGION ARGS"),
    "stop": _alias("ENV REGION ARGS"),
    "shell": _alias("ENV REGION"),
    "app": _alias("ENV"),
    "bootstrap": _alias("REGION GITHUB_REPOSITORY ARGS"),
    "image": _alias("VARIANT REGION ARGS"),
    "publish-image": _alias("REGION IMAGE_ID"),
    "prune-images": _alias("VARIANT REGION YES ARGS"),
    "unlock": _alias("ENV REGION LOCK"),
    "setup": _target(),
    "test": _target("ARGS"),
    "test-long": _target(),
    "lint": _target(),
    "format": _target(),
    "openapi": _target(),
    "role-pages": _target(),
    "cost": _target(),
    "terraform-pages": _target(),
    "router.zip": _target(needs="operator"),
    "release-notes": _target("VERSION", _release_notes),
    "native-wheel": _target("PROCESSOR", _native_wheel),
    "cuda-wheel": _target("ARCH", _cuda_wheel),
    "pin-wheels": _target("VERSION GITHUB_REPOSITORY", _pin_wheels),
    "picture": _target("ARGS", _picture),
    "bench": _target("ARGS", _options(engine_bench.options.parser)),
    "bench-engine": _target("ARGS", _options(engine_bench.options.parser)),
    "bench-gpu-kit": _target("ARCH ARGS", _gpu_kit),
    "bench-gpu": _target("ARGS", _options(gpu_bench.options.parser)),
    "soak": _target("ARGS", _options(system.faults.options.parser)),
    "attack": _target("ARGS", _options(system.hostile.options.parser)),
    "bench-boot": _target("ARGS", _booted_machine),
    "standin": _target("ARGS", _options(standin_recipe.options.parser)),
    "lock": _target("UPGRADE"),
    "clean": _target(),
    "help": _target(),
}
