"""Within a part, imports go one way: from room to room downwards, never around in a circle.

A room is what stands directly in a package: a subpackage, or a module by itself.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from housekeeping import COMPONENTS, ROOT
from support.tree import Import, imports, package

OUTSIDE = {"errors", "log", "ports", "registry", "services", "settings", "user_limits"}
"""The router's modules at the top, which stand below its rooms."""

ROUTER_MAY_IMPORT = {
    "api": {"jobs", "fleet", "store", "wire"},
    "steward": {"jobs", "fleet", "store", "wire"},
    "jobs": {"store", "wire"},
    "fleet": {"store", "wire"},
    "store": {"wire"},
    "wire": set[str](),
    **{module: set[str]() for module in OUTSIDE},
}


def sources(component: str) -> Path:
    return ROOT / component / "src" / package(component)


def inner_imports(component: str) -> Iterator[tuple[str, Import]]:
    """The imports of a part's own modules, each with the name of the module that has it."""
    for found in imports(component):
        if found.module.split(".")[0] != package(component):
            continue
        yield module_at(component, found), found


def module_at(component: str, found: Import) -> str:
    """The module in which an import stands."""
    path = ROOT / found.where.rpartition(":")[0]
    inner = path.relative_to(sources(component).parent).with_suffix("")
    return ".".join(inner.parts).removesuffix(".__init__")


def is_module(component: str, name: str) -> bool:
    path = sources(component).parent.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def imported(component: str, found: Import) -> set[str]:
    """The modules of a part that an import statement names, directly or as one of its names."""
    inner = {f"{found.module}.{name}" for name in found.names}
    return {name for name in inner if is_module(component, name)} or {found.module}


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("component", COMPONENTS)
def test_no_imports_go_around_in_a_circle(component: str) -> None:
    modules: dict[str, set[str]] = defaultdict(set)
    rooms: dict[str, set[str]] = defaultdict(set)
    for importer, found in inner_imports(component):
        if found.for_types:
            continue
        for name in imported(component, found) - {importer}:
            modules[importer].add(name)
            if room(name) and room(importer) != room(name):
                rooms[room(importer)].add(room(name))
    for graph in (modules, rooms):
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            pytest.fail(" → ".join(error.args[1]))


def test_a_room_of_the_router_imports_only_from_rooms_below_it() -> None:
    wrong = [
        f"{found.where}: {room(importer)} imports {room(name)}"
        for importer, found in inner_imports("router")
        for name in imported("router", found)
        if room(importer) in ROUTER_MAY_IMPORT and room(name)
        if room(name) not in ROUTER_MAY_IMPORT[room(importer)] | OUTSIDE | {room(importer)}
    ]
    assert wrong == []


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_room_is_entered_by_its_public_face(component: str) -> None:
    """What other rooms and parts import is in a room's `__all__`, or named in its docstring."""
    wrong = [
        f"{found.where} imports {name}"
        for user in COMPONENTS
        for found in imports(user)
        if found.module.split(".")[0] == package(component)
        for name in imported(component, found)
        if name.count(".") >= 2
        if user != component or room(module_at(user, found)) != room(name)
        if not is_public(component, name)
    ]
    assert wrong == []


def is_public(component: str, module: str) -> bool:
    """Whether a module within a room may be imported from outside: the room says so."""
    _, name, inner = module.split(".")[:3]
    tree = ast.parse((sources(component) / name / "__init__.py").read_text(encoding="utf-8"))
    return f"`{inner}`" in (ast.get_docstring(tree) or "")
