"""Bakes the workers' image with Packer. Nothing is started before all checks have passed."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NoReturn, TextIO

from aistratus_operator import ROOT
from aistratus_operator.cloud import packer
from aistratus_operator.cloud.aws import sign_in
from aistratus_operator.cloud.builder import choose_builder
from aistratus_operator.cloud.environments import choose_region, read_assignments, read_defaults
from aistratus_operator.cloud.own_address import CHECK_IP, own_cidr
from aistratus_operator.cloud.progress import tell
from aistratus_operator.errors import OperatorError

_WHEELHOUSE: Final = ROOT / "build" / "wheelhouse"


def bake(variant: str, region: str, arguments: Sequence[str], out: TextIO = sys.stderr) -> NoReturn:
    """Check, then become `packer build`, whose exit code is the command's."""
    found = packer.find()
    more = check(variant, region, arguments, out)
    packer.init(found)
    if not packer.given_variables(arguments).get("wheelhouse"):
        _fill_wheelhouse()
    (ROOT / "build" / "image").mkdir(parents=True, exist_ok=True)
    template = packer.template_for(found)
    words = [
        *(found.path, "build"),
        f"-var-file={packer.variant_file(variant)}",
        *(f"-var={name}={value}" for name, value in more.items()),
        *arguments,
        str(template.relative_to(ROOT)),
    ]
    os.chdir(ROOT)
    out.flush()
    # Packer handles Ctrl-C itself: it ends its instance. So nothing stands between.
    os.execve(found.path, words, _environment())  # noqa: S606  no shell is wanted


def check(
    variant: str,
    region: str,
    arguments: Sequence[str],
    out: TextIO = sys.stderr,
    check_ip: str = CHECK_IP,
) -> dict[str, str]:
    """Check all that can be checked; returns the variables that Packer gets on top.

    Raises an `OperatorError` with a sentence about what does not work.
    """
    set_here = packer.given_variables(arguments)
    given = _variables(variant, arguments)
    account = sign_in(choose_region(_region(region, set_here), None))
    architecture = str(given["architecture"])
    builder = choose_builder(account, architecture, str(given["instance_type"] or ""))
    if builder.note:
        tell(out, f"Note: {builder.note}")
    more = {
        "git_revision": _revision(),
        "region": account.region,
        "instance_type": builder.instance_type,
    }
    # Session Manager reaches a private builder, and no port is opened.
    if not _is_true(given["private"]) and given["ssh_cidrs"] in ([], "[]"):
        more["ssh_cidrs"] = json.dumps([own_cidr(check_ip)])
    tell(
        out,
        f"Building {variant} in account {account.id}, {account.region}, on "
        f"{builder.instance_type} …",
    )
    return {name: value for name, value in more.items() if name not in set_here}


def _variables(variant: str, arguments: Sequence[str]) -> dict[str, Any]:
    """The variables' values, as Packer decides them: defaults, the files, the command line."""
    values = read_defaults(packer.TEMPLATE / "variables.pkr.hcl")
    for file in (packer.variant_file(variant), *packer.given_files(arguments)):
        if not file.is_file():
            raise OperatorError(f"There is no file {file}. Correct -var-file in ARGS.")
        values |= read_assignments(file)
    return values | packer.given_variables(arguments)


def _region(asked: str, set_here: dict[str, str]) -> str:
    """REGION, or the `region` in ARGS; they may not differ."""
    other = set_here.get("region", "")
    if asked and other and asked != other:
        raise OperatorError(
            f"REGION is {asked}, and ARGS says {other}. Leave one of them out: make image "
            f"REGION={asked}"
        )
    return asked or other


def _is_true(value: object) -> bool:
    return value is True or value == "true"


def _revision() -> str:
    """The commit that the image is made of; `unknown` outside of a clone."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    done = subprocess.run(
        [git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


def _fill_wheelhouse() -> None:
    """Fetch what the image's Python environment is made of; the instance compiles it."""
    done = subprocess.run(
        [sys.executable, "-m", "wheelhouse", "--source", str(_WHEELHOUSE)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tools")},
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode != 0:
        raise OperatorError(
            "The image's Python packages could not be fetched; the reason is above. Mend it, then "
            "run the same command again."
        )


def _environment() -> dict[str, str]:
    """Packer runs the Ansible of this .venv, and asks nobody whether there is a newer Packer."""
    programs = Path(sys.executable).parent
    return {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}",
        "CHECKPOINT_DISABLE": "1",
    }
