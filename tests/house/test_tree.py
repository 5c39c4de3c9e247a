"""The repository holds what belongs to it, and its pages lead somewhere."""

import re
from pathlib import Path

import pytest

from housekeeping import ROOT
from support.tree import tracked

MAX_BYTES = 2 * 1024 * 1024
MAX_WEIGHTS_BYTES = 10 * 1024 * 1024
WEIGHTS = "local/src/aistratus_local/weights/aistratus-standin.gguf"

BINARY = {".gguf", ".whl", ".png", ".webp", ".ico", ".ttf", ".woff2"}

# Spelled in pieces, so that this file does not find itself.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:wor" + r"k|roo" + r"t|hom" + r"e/[a-z]{2,})/")
REGISTRY = re.compile("|".join(("pypi" + r"\.org", "pythonhosted" + r"\.org", "npmjs" + r"\.org")))

LINK = re.compile(
    r"(?<!!)\[[^\]]*\]\(([^)#\s]+)[^)]*\)|!\[[^\]]*\]\(([^)\s]+)\)|src(?:set)?=\"([^\"]+)\""
)


def test_no_large_file() -> None:
    large = {
        str(path.relative_to(ROOT)): path.stat().st_size
        for path in tracked()
        if path.stat().st_size > MAX_BYTES
    }
    weights = large.pop(WEIGHTS, 0)
    assert large == {}
    assert weights <= MAX_WEIGHTS_BYTES


def test_no_path_of_somebodys_machine_and_no_registry() -> None:
    found = []
    for path in tracked():
        if path.suffix in BINARY or path.name == "LICENSE":
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if MACHINE_PATH.search(line) or REGISTRY.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert found == []


def _pages() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".md"]


@pytest.mark.parametrize("page", _pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    dead = [
        target
        for match in LINK.finditer(page.read_text(encoding="utf-8"))
        if (target := next(group for group in match.groups() if group))
        if "://" not in target and not target.startswith("mailto:")
        if not (page.parent / target).exists()
    ]
    assert dead == []


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "docs/architecture.md",
        ".editorconfig",
        ".pre-commit-config.yaml",
    ],
)
def test_the_house_has_its_papers(name: str) -> None:
    assert (ROOT / name).is_file()


def test_ci_calls_make_test_and_nothing_cleverer() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith(("make", "python", "pip", "apt"))] == [
        "make test"
    ]
    assert len(lines) <= 5
