"""What a page names exists: routes, make targets, files, variables.

A name that the code has lost, or never had, is found here, not by a reader who tries it.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

import pytest

from housekeeping import ROOT
from support.tree import tracked

CODE = re.compile(r"^```.*?^```|`([^`\n]+)`", re.MULTILINE | re.DOTALL)
MAKE = re.compile(r"(?:^|&& |=\S+ )make +([a-z][\w.-]*)", re.MULTILINE)
ROUTE = re.compile(r"\b(GET|POST|PUT|DELETE|PATCH) (/[\w/{}.…-]*)")
VARIABLE = re.compile(r"\bAISTRATUS_[A-Z][A-Z_]*[A-Z]\b")
FILE = re.compile(r"[\w.-]+(?:/[\w.*-]+)*/?")
FILE_TYPES = {".md", ".py", ".yml", ".toml", ".tf", ".tfvars", ".hcl", ".qa", ".j2", ".ini", ".svg"}

# What only a command makes.
MADE = {"build", "dist", ".venv", "router.zip", ".env_public", ".terraform.lock.hcl", "report.md"}
# A placeholder in a path, such as ENV in `terraform/envs/ENV.tfvars`.
PLACEHOLDER = re.compile(r"\b[A-Z]{2,}\b(?!\.md)")


def _pages() -> list[Path]:
    # The changelog also names what is gone.
    return [path for path in tracked() if path.suffix == ".md" and path.name != "CHANGELOG.md"]


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _code(text: str) -> Iterator[str]:
    """The text of each code span and each fenced block."""
    for match in CODE.finditer(text):
        yield match[1] or match[0].strip("`")


@cache
def _targets() -> frozenset[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^([a-z][\w.-]*):(?!=)", makefile, re.MULTILINE))


@cache
def _routes() -> frozenset[str]:
    document = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    return frozenset(
        f"{method.upper()} {_without_names(path)}"
        for path, methods in document["paths"].items()
        for method in methods
    )


def _without_names(path: str) -> str:
    return re.sub(r"{\w+}", "{}", path)


@cache
def _sources() -> str:
    """All that is no page and no part of the stand-in's corpus or tests, as one text."""
    texts = []
    for path in tracked():
        name = _name(path)
        if path.suffix in {".gguf", ".png", ".webp", ".ico", ".whl", ".woff2", ".ttf"}:
            continue
        if path.suffix == ".md" or name.startswith(("local/standin/", "tests/")):
            continue
        texts.append(path.read_text(encoding="utf-8"))
    return "\n".join(texts)


def _named_targets(text: str) -> set[str]:
    return {match[1] for code in _code(text) for match in MAKE.finditer(code)}


def _named_routes(text: str) -> set[str]:
    named = {f"{match[1]} {_without_names(match[2].rstrip('.'))}" for match in ROUTE.finditer(text)}
    return {route for route in named if "…" not in route}


def test_a_name_that_does_not_exist_is_found() -> None:
    assert _named_routes("Look at `GET /cost`, not at GET /jobs/{id}.") - _routes() == {"GET /cost"}
    assert _named_targets("`make demo X=1`, `make tea`, and make it") - _targets() == {"tea"}
    assert not _exists("docs/ledger.md", ROOT / "README.md")
    assert _exists("terraform/envs/ENV.tfvars", ROOT / "README.md")


@pytest.mark.parametrize("page", _pages(), ids=_name)
def test_each_make_target_that_is_named_exists(page: Path) -> None:
    assert _named_targets(page.read_text(encoding="utf-8")) - _targets() == set()


@pytest.mark.parametrize("page", _pages(), ids=_name)
def test_each_route_that_is_named_exists(page: Path) -> None:
    assert _named_routes(page.read_text(encoding="utf-8")) - _routes() == set()


@pytest.mark.parametrize("page", _pages(), ids=_name)
def test_each_file_that_is_named_exists(page: Path) -> None:
    spans = {code for code in _code(page.read_text(encoding="utf-8")) if FILE.fullmatch(code)}
    assert {span for span in spans if _is_file(span) and not _exists(span, page)} == set()


def _is_file(span: str) -> bool:
    parts = PurePosixPath(span).parts
    if parts[0] in MADE:
        return False
    return ("/" in span and (ROOT / parts[0]).is_dir()) or PurePosixPath(span).suffix in FILE_TYPES


def _exists(span: str, page: Path) -> bool:
    pattern = PLACEHOLDER.sub("*", span.rstrip("/"))
    if any(any(base.glob(pattern)) for base in (ROOT, page.parent)):
        return True
    return any(f"/{_name(path)}".endswith(f"/{span}") for path in tracked())


@pytest.mark.parametrize("page", _pages(), ids=_name)
def test_each_variable_that_is_named_is_read_somewhere(page: Path) -> None:
    named = set(VARIABLE.findall(page.read_text(encoding="utf-8")))
    assert {name for name in named if name not in _sources()} == set()
