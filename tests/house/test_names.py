"""What a page or the stand-in's corpus names exists: routes, make targets, files, variables, words.

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

CORPUS = ROOT / "local" / "standin" / "corpus"

CODE = re.compile(r"^```.*?^```|`([^`\n]+)`", re.MULTILINE | re.DOTALL)
MAKE = re.compile(r"(?:^|&& |=\S+ )make +([a-z][\w.-]*)", re.MULTILINE)
ASKED_MAKE = re.compile(r"\b(?:does|is|explain) make ([a-z][\w.-]*)", re.IGNORECASE)
ROUTE = re.compile(r"\b(GET|POST|PUT|DELETE|PATCH) (/[\w/{}.…-]*)")
VARIABLE = re.compile(r"\bAISTRATUS_[A-Z][A-Z_]*[A-Z]\b")
FILE = re.compile(r"[\w.-]+(?:/[\w.*-]+)*/?")
# What a question of the corpus asks about, such as "the steward" in "What is the steward?".
TERM = re.compile(r"^Q: What (?:is|are) (?:the |a |an )?([\w. -]+)\?$", re.MULTILINE)
APP_LABEL = re.compile(r"\b(?:Press|Choose|Click) (\w+) in the app\b")
FILE_TYPES = {".md", ".py", ".yml", ".toml", ".tf", ".tfvars", ".hcl", ".qa", ".j2", ".ini", ".svg"}

# What only a command makes.
MADE = {"build", "dist", ".venv", "router.zip", ".env_public", ".terraform.lock.hcl", "report.md"}
# A placeholder in a path, such as ENV in `terraform/envs/ENV.tfvars`.
PLACEHOLDER = re.compile(r"\b[A-Z]{2,}\b(?!\.md)")
# Asked for with "What are …?", and no terms.
PLAIN_WORDS = {"advantages", "guaranteed"}


def _pages() -> list[Path]:
    # The changelog also names what is gone.
    return [path for path in tracked() if path.suffix == ".md" and path.name != "CHANGELOG.md"]


def _corpus() -> list[Path]:
    return [path for path in tracked() if path.is_relative_to(CORPUS) and path.suffix == ".qa"]


def _corpus_of_the_product() -> list[Path]:
    """Without small talk and what is foreign."""
    return [path for path in _corpus() if not path.name.startswith(("10-", "90-"))]


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def _text(page: Path) -> str:
    """A page's text; an entry of the corpus with each answer on one line."""
    text = page.read_text(encoding="utf-8")
    return re.sub(r"\n +", " ", text) if page.suffix == ".qa" else text


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


@cache
def _docs() -> str:
    return "\n".join(_text(page) for page in _pages())


def _named_targets(text: str) -> set[str]:
    in_code = {match[1] for code in _code(text) for match in MAKE.finditer(code)}
    return in_code | set(ASKED_MAKE.findall(text))


def _named_routes(text: str) -> set[str]:
    named = {f"{match[1]} {_without_names(match[2].rstrip('.'))}" for match in ROUTE.finditer(text)}
    return {route for route in named if "…" not in route}


def test_a_name_that_does_not_exist_is_found() -> None:
    assert _named_routes("Look at `GET /cost`, not at GET /jobs/{id}.") - _routes() == {"GET /cost"}
    assert _named_targets("Q: What does make tea do?\n`make demo X=1`") - _targets() == {"tea"}
    assert not _exists("docs/ledger.md", ROOT / "README.md")
    assert _exists("terraform/envs/ENV.tfvars", ROOT / "README.md")


@pytest.mark.parametrize("page", _pages() + _corpus(), ids=_name)
def test_each_make_target_that_is_named_exists(page: Path) -> None:
    assert _named_targets(_text(page)) - _targets() == set()


@pytest.mark.parametrize("page", _pages() + _corpus(), ids=_name)
def test_each_route_that_is_named_exists(page: Path) -> None:
    assert _named_routes(_text(page)) - _routes() == set()


@pytest.mark.parametrize("page", _pages() + _corpus(), ids=_name)
def test_each_file_that_is_named_exists(page: Path) -> None:
    spans = {code for code in _code(_text(page)) if FILE.fullmatch(code)}
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


@pytest.mark.parametrize("page", _pages() + _corpus(), ids=_name)
def test_each_variable_that_is_named_is_read_somewhere(page: Path) -> None:
    named = set(VARIABLE.findall(_text(page)))
    assert {name for name in named if name not in _sources()} == set()


@pytest.mark.parametrize("page", _corpus(), ids=_name)
def test_each_identifier_of_the_corpus_is_in_the_code(page: Path) -> None:
    named = {
        word
        for code in _code(_text(page))
        if not _is_file(code)
        for word in re.findall(r"[A-Za-z][\w-]*", code.partition('"')[0])
    }
    assert {word for word in named if word not in _sources()} == set()


@pytest.mark.parametrize("page", _corpus(), ids=_name)
def test_each_label_of_the_app_that_the_corpus_names_exists(page: Path) -> None:
    app = "\n".join(
        path.read_text(encoding="utf-8")
        for path in tracked()
        if _name(path).startswith("desktop/src/") and path.suffix == ".py"
    )
    text = _text(page)
    assert {label for label in APP_LABEL.findall(text) if f'"{label}"' not in app} == set()


@pytest.mark.parametrize("page", _corpus_of_the_product(), ids=_name)
def test_each_term_that_the_corpus_explains_is_used_elsewhere(page: Path) -> None:
    terms = {
        word
        for term in TERM.findall(_text(page))
        for word in re.findall(r"[a-z]{4,}", term.casefold())
    }
    used = _sources().casefold() + _docs().casefold()
    assert {term for term in terms - PLAIN_WORDS if term.removesuffix("s") not in used} == set()
