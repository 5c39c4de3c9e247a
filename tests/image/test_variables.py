"""Whatever a playbook, a variant or Packer passes is a variable that some role has specified."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from housekeeping import ROOT
from support.packer import TEMPLATE, VARIANTS

ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if (path / "tasks").is_dir())
PLAYBOOKS = sorted((ROOT / "playbooks").rglob("*.yml"))
ASSIGNED = re.compile(r"^ {4}(\w+) +=", flags=re.MULTILINE)


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def options(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = read(path)["argument_specs"]["main"].get("options", {})
    return found


def spec(role: str) -> dict[str, dict[str, Any]]:
    return options(ROOT / "roles" / role / "meta" / "argument_specs.yml")


SITE = options(ROOT / "playbooks" / "vars" / "site.yml")
KNOWN = {name for role in ROLES for name in spec(role)} | set(SITE)


def passed_by_packer() -> set[str]:
    """The names on the left in `local.variables`, and in the variant files."""
    build = (TEMPLATE / "build.pkr.hcl").read_text(encoding="utf-8")
    block = build[build.index("  variables = ") : build.index("\nbuild {")]
    return set(ASSIGNED.findall(block))


def test_what_packer_passes_is_specified() -> None:
    passed = passed_by_packer()
    assert len(passed) > 10
    assert passed - KNOWN - {"ansible_python_interpreter"} == set()


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_a_variant_sets_is_a_variable_of_the_template(variant: str) -> None:
    text = (TEMPLATE / f"{variant}.pkrvars.hcl").read_text(encoding="utf-8")
    variables = (TEMPLATE / "variables.pkr.hcl").read_text(encoding="utf-8")
    declared = set(re.findall(r'^variable "(\w+)"', variables, flags=re.MULTILINE))
    assert set(re.findall(r"^(\w+) +=", text, flags=re.MULTILINE)) <= declared


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.name)
def test_what_a_playbook_reads_is_specified(path: Path) -> None:
    """Only names with a role's prefix; what a task registers or sets for itself is its own."""
    text = path.read_text(encoding="utf-8")
    prefixed = set(re.findall(rf"\b((?:site|{'|'.join(ROLES)})_\w+)\b", text))
    every = "\n".join(each.read_text(encoding="utf-8") for each in PLAYBOOKS)
    own = set(re.findall(r"^ +(?:register: )?(site_\w+)(?::|$)", every, flags=re.MULTILINE))
    roles_own = {f"{role}_report" for role in ROLES}
    assert prefixed - own - roles_own - KNOWN == set()


@pytest.mark.parametrize("role", ROLES)
def test_a_default_is_specified_and_a_specified_default_is_the_same(role: str) -> None:
    path = ROOT / "roles" / role / "defaults" / "main.yml"
    defaults = (read(path) or {}) if path.exists() else {}
    specified = spec(role)
    assert set(defaults) <= set(specified)
    said = {name: item["default"] for name, item in specified.items() if "default" in item}
    assert said == defaults


@pytest.mark.parametrize("role", ROLES)
def test_a_variable_has_its_roles_name_and_a_sentence(role: str) -> None:
    for name, item in spec(role).items():
        assert name.startswith(f"{role}_")
        assert item["description"].strip(), name
