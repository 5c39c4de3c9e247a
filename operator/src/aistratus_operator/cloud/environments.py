"""The environments, and the settings in their files in terraform/envs."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import botocore.exceptions
import botocore.session

from aistratus_operator import ROOT
from aistratus_operator.checks import check_environment, check_region
from aistratus_operator.cloud.instance_types import default_instance_types
from aistratus_operator.errors import OperatorError

TERRAFORM: Final = ROOT / "terraform"
DEFAULT_REGION: Final = "eu-central-1"

_ASSIGNMENT: Final = re.compile(r"^([a-z_]+)\s*=\s*(\[[^\]{}]*\]|[^\[{\n]+)", flags=re.MULTILINE)
_DEFAULT: Final = re.compile(
    r'^variable "([a-z_]+)" \{\n(?:  .*\n|\n)*?  default\s*=\s*(\[[^\]{}]*\]|[^\[{\n]+)',
    flags=re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Environment:
    """One deployment: its name, its region, and the settings that the checks need."""

    name: str
    region: str
    project: str
    instance_types: tuple[str, ...]
    on_demand_only: bool
    deletion_protection: bool
    session_manager: bool
    variables_file: Path

    @property
    def full_name(self) -> str:
        """The prefix of its resources' names."""
        return f"{self.project}-{self.name}"

    @property
    def registry_prefix(self) -> str:
        """The path of its ids in the Parameter Store."""
        return f"/{self.project}/{self.name}"


def load(name: str, region: str = "", folder: Path = TERRAFORM) -> Environment:
    """The environment of that name; raises an `OperatorError` if there is none."""
    check_environment(name, folder)
    file = folder / "envs" / f"{name}.tfvars"
    said = read_defaults(folder / "variables.tf") | read_assignments(file)
    if said.get("env") != name:
        raise OperatorError(
            f"terraform/envs/{name}.tfvars says env = {json.dumps(said.get('env'))}. A file is "
            f'named for its environment: write env = "{name}" there.'
        )
    defaults = [each.type for each in default_instance_types()]
    return Environment(
        name=name,
        region=choose_region(region, read_assignments(file).get("region")),
        project=str(said["project"]),
        instance_types=tuple(said["instance_types"] or defaults),
        on_demand_only=bool(said["on_demand_only"]),
        deletion_protection=bool(said["deletion_protection"]),
        session_manager=bool(said["session_manager"]),
        variables_file=file,
    )


def choose_region(
    asked: str, written: object = None, environment: Mapping[str, str] | None = None
) -> str:
    """The region asked for, else the file's, else the person's own, else our default."""
    environment = os.environ if environment is None else environment
    region = (
        asked
        or (str(written) if written else "")
        or environment.get("AWS_REGION", "")
        or environment.get("AWS_DEFAULT_REGION", "")
        or _profile_region()
        or DEFAULT_REGION
    )
    check_region(region)
    known = _known_regions()
    if known and region not in known:
        raise OperatorError(
            f"There is no AWS region {region!r}. Name one such as {DEFAULT_REGION}."
        )
    return region


def _profile_region() -> str:
    try:
        return str(botocore.session.Session().get_config_variable("region") or "")
    except botocore.exceptions.BotoCoreError:
        return ""  # the profile does not exist: signing in reports that


def _known_regions() -> set[str]:
    """All regions that this botocore knows, in every partition; none with a profile unknown."""
    session = botocore.session.Session()
    try:
        return {
            region
            for partition in session.get_available_partitions()
            for region in session.get_available_regions("ec2", partition, allow_non_regional=False)
        }
    except botocore.exceptions.BotoCoreError:
        return set()  # the profile does not exist: signing in reports that


def read_assignments(path: Path) -> dict[str, Any]:
    """The plain values that a .tfvars file sets: strings, numbers, booleans and lists of them.

    Objects are left out: only Terraform needs those.
    """
    return _values(_ASSIGNMENT, path)


def read_defaults(path: Path) -> dict[str, Any]:
    """The plain default values of the variables in a .tf file."""
    return _values(_DEFAULT, path)


def _values(pattern: re.Pattern[str], path: Path) -> dict[str, Any]:
    text = re.sub(r"(^|\s)(#|//).*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = {}
    for name, literal in pattern.findall(text):
        try:
            found[name] = json.loads(re.sub(r",\s*\]", "]", literal.strip()))
        except ValueError:
            continue  # an expression, not a plain value
    return found
