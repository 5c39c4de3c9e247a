"""The tree that house tests look at: the tracked files, and each component's sources."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from housekeeping import COMPONENTS, ROOT
from housekeeping.requirements import canonical


@dataclass(frozen=True)
class Import:
    """One import statement: the module's dotted name, and the names imported from it."""

    module: str
    names: tuple[str, ...]
    where: str
    for_types: bool


def tracked() -> list[Path]:
    """All files that git tracks and that exist."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    paths = [ROOT / name for name in listed.split("\0") if name]
    return [path for path in paths if path.is_file()]


def project(component: str) -> dict[str, Any]:
    """The `[project]` table of a component."""
    text = (ROOT / component / "pyproject.toml").read_text(encoding="utf-8")
    table: dict[str, Any] = tomllib.loads(text)["project"]
    return table


def package(component: str) -> str:
    return f"aistratus_{component}"


def imports(component: str) -> Iterator[Import]:
    """Every absolute import in a component's sources."""
    for path in sorted((ROOT / component / "src").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        typed = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            for statement in node.body
            for inner in ast.walk(statement)
        }
        for node in ast.walk(tree):
            where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(alias.name, (), where, id(node) in typed)
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = tuple(alias.name for alias in node.names)
                yield Import(node.module, names, where, id(node) in typed)


def own_packages() -> set[str]:
    return {package(component) for component in COMPONENTS}


def pinned_name(requirement: str) -> str:
    """A requirement's distribution, without extras, versions and markers."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    return canonical(match[0]) if match else requirement
