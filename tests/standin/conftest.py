"""The corpus and the shipped model, read once for all tests of the stand-in."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The recipe is no installed package; its pure-Python part is read from where it lies.
sys.path.insert(0, str(ROOT / "local" / "standin" / "recipe"))

from standin_recipe.corpus import Corpus, load_corpus  # noqa: E402
from standin_recipe.evaluate import Reader  # noqa: E402

WEIGHTS = ROOT / "local" / "src" / "aistratus_local" / "weights"
CORPUS = ROOT / "local" / "standin" / "corpus"
FOREIGN = ROOT / "local" / "standin" / "foreign-test.txt"


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    return load_corpus(CORPUS, FOREIGN)


@pytest.fixture(scope="session")
def gguf() -> Path:
    return WEIGHTS / "aistratus-standin.gguf"


@pytest.fixture(scope="session")
def description() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((WEIGHTS / "aistratus-standin.json").read_text("utf-8"))
    return read


@pytest.fixture(scope="session")
def model(gguf: Path) -> Reader:
    return Reader(gguf, context=1024)
