"""The parts are shipped alone, so they know of each other only what they have agreed on."""

import sys
from importlib.metadata import packages_distributions

import pytest

from housekeeping import COMPONENTS
from housekeeping.requirements import canonical
from support.tree import Import, imports, own_packages, package, pinned_name, project

MAY_IMPORT = {
    "contracts": set[str](),
    "router": {"contracts"},
    "daemon": {"contracts"},
    "desktop": {"contracts"},
    "local": {"contracts", "router", "daemon", "desktop"},
    "operator": {"contracts", "router", "desktop", "local"},
}

PARTS_OF = {"botocore": "boto3", "systemd": "systemd-python"}
"""Import names that come with another distribution."""

NOT_IMPORTED = {
    "cryptography": "PyJWT's RS256",
    "flask": "the emulator's server",
    "flask-cors": "the emulator's server",
    "flet-web": "the web client's files; flet finds them",
    "keyring": "imported when a native client signs in",
    "llama-cpp-python": "imported by the engine as llama_cpp",
    "tzdata": "the time zones that Python finds where the system has none",
}
"""What a component needs without naming it in an import, and why."""


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_part_imports_only_what_it_may(component: str) -> None:
    allowed = {package(other) for other in MAY_IMPORT[component]} | {package(component)}
    wrong = [
        f"{found.where} imports {found.module}"
        for found in imports(component)
        if _top(found) in own_packages() - allowed
    ]
    assert wrong == []


@pytest.mark.parametrize("component", COMPONENTS)
def test_another_part_is_used_by_its_public_entries(component: str) -> None:
    wrong = [
        f"{found.where} imports {found.module} ({', '.join(found.names)})"
        for found in imports(component)
        if _top(found) in own_packages() - {package(component)}
        if any(part.startswith("_") for part in [*found.module.split("."), *found.names])
        if found.names != ("__version__",)
    ]
    assert wrong == []


def test_contracts_has_the_standard_library_alone() -> None:
    assert project("contracts").get("dependencies", []) == []
    assert _third_party("contracts", with_types=True) == {}


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_part_declares_what_it_imports(component: str) -> None:
    missing = {
        distribution: where
        for distribution, where in _third_party(component, with_types=False).items()
        if distribution not in _declared(component)
    }
    assert missing == {}


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_part_declares_only_what_it_needs(component: str) -> None:
    used = set(_third_party(component, with_types=True)) | set(NOT_IMPORTED)
    used |= {f"aistratus-{other}" for other in MAY_IMPORT[component]}
    assert _declared(component) - used == set()


def _third_party(component: str, *, with_types: bool) -> dict[str, str]:
    """Distributions that a component imports, each with a place where it does."""
    by_import = packages_distributions()
    found: dict[str, str] = {}
    for each in imports(component):
        top = _top(each)
        if top in sys.stdlib_module_names or top in own_packages():
            continue
        if each.for_types and not with_types:
            continue
        names = [PARTS_OF[top]] if top in PARTS_OF else by_import.get(top, [top])
        for name in names:
            found.setdefault(canonical(name), each.where)
    return found


def _declared(component: str) -> set[str]:
    table = project(component)
    lines = list(table.get("dependencies", []))
    for more in table.get("optional-dependencies", {}).values():
        lines += more
    return {pinned_name(line) for line in lines}


def _top(found: Import) -> str:
    return found.module.split(".")[0]
