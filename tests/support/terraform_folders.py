"""Terraform's folders, and a copy of them that it may write to."""

import shutil
from pathlib import Path

from aistratus_operator.cloud.terraform import Finished, Terraform
from housekeeping import ROOT
from terraform_pages.page import TERRAFORM, folders

FOLDERS = [path.relative_to(TERRAFORM).as_posix() for path in folders()]
"""`.` is the composition."""

MODULES = [name for name in FOLDERS if name.startswith("modules/")]
ROOTS = [name for name in FOLDERS if name not in MODULES]


_MODELS = Path("contracts/src/aistratus_contracts/models.json")


def copied(target: Path) -> Path:
    """A copy of terraform/, without what runs in the tree itself have left.

    Beside it goes the one other file of the tree that the composition reads.
    """
    shutil.copytree(TERRAFORM, target, ignore=shutil.ignore_patterns(".terraform*"))
    beside = target.parent / _MODELS
    beside.parent.mkdir(parents=True)
    shutil.copy(ROOT / _MODELS, beside)
    return target


def check(copy: Path, folder: str) -> Finished:
    """Terraform's own tests of one folder; raises `TerraformFailed`.

    The composition is validated with all its modules, so they need no validation of their own.
    """
    terraform = initialized(copy, folder)
    if folder in ROOTS:
        terraform.run("validate")
    return terraform.run("test")


def initialized(copy: Path, folder: str) -> Terraform:
    """One folder of the copy, initialized, without a state anywhere."""
    terraform = Terraform(copy / folder)
    terraform.run("init", "-backend=false")
    return terraform
