"""Each fact about models and instance types has one home, which all others read.

These tests search the tree for the facts. A file that repeats one, and is not listed here with its
reason, is one that a person would have to change too when a model or a type is added.
"""

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from aistratus_contracts.known_models import known_models
from aistratus_operator.cloud.instance_types import FILE as INSTANCE_TYPES
from aistratus_operator.cloud.instance_types import known_instance_types
from housekeeping import ROOT
from support.packer import TEMPLATE, VARIANTS
from support.tree import tracked

MODELS = "contracts/src/aistratus_contracts/models.json"
HOME_OF_TYPES = INSTANCE_TYPES.relative_to(ROOT).as_posix()

_EXAMPLE = "an example in the API's document; the document loads no file for it"
_MADE = "made by a command from its home"
_TRIED = "a test's example, which may be any"
_RIVALS = "the one type that is set beside other offers, by name"

MODELS_REPEATED = {
    "docs/boot.md": "a budget in bytes, of this model",
    "docs/openapi.json": _MADE,
    "router/src/aistratus_router": _EXAMPLE,
}
"""Who else may say a model's id, title, file, size or digest."""

INSTANCE_TYPES_REPEATED = {
    "docs/cost.md": _MADE,
    "terraform/variables.tf": "an example in a sentence of refusal",
    "terraform/modules/fleet": _TRIED,
    "tests/cloud": "what is said of a region that lacks them",
    "tests/local": _TRIED,
    "tests/support/fleet_group.py": _TRIED,
    "tests/support/fleet_rounds.py": "a sentence that AWS said",
    "tests/tools/test_cost_sheet.py": "what the README says of the sheet",
    "tools/cost_sheet/offers.py": _RIVALS,
    "tools/cost_sheet/page.py": _RIVALS,
}
"""Who else may name an instance type."""


@cache
def _tree() -> dict[str, bytes]:
    return {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in tracked()}


def _saying(facts: Iterable[str]) -> dict[str, list[str]]:
    """The files that say any of these facts, and which."""
    words = {fact: fact.encode() for fact in facts}
    found = {}
    for name, content in _tree().items():
        if said := [fact for fact, word in words.items() if word in content]:
            found[name] = said
    return found


def _is_in(name: str, places: Iterable[str]) -> bool:
    return any(name == place or name.startswith(f"{place}/") for place in places)


def _facts_of_models() -> Iterable[str]:
    for model in known_models().values():
        weights = model.weights
        yield from (model.card.id, model.card.title, weights.file, weights.sha256)
        yield from (urlsplit(weights.url).path, str(weights.bytes))
        yield from (f"{weights.bytes:,}", f"{weights.bytes:_}")


def _instance_types() -> list[str]:
    return [each.type for each in known_instance_types()]


def test_a_models_facts_stand_in_their_home() -> None:
    places = (MODELS, *MODELS_REPEATED)
    found = _saying(_facts_of_models())
    assert {name: said for name, said in found.items() if not _is_in(name, places)} == {}


def test_an_instance_type_is_named_in_its_home() -> None:
    places = (HOME_OF_TYPES, *INSTANCE_TYPES_REPEATED)
    found = _saying(_instance_types())
    assert {name: said for name, said in found.items() if not _is_in(name, places)} == {}


@pytest.mark.parametrize("place", MODELS_REPEATED)
def test_who_may_repeat_a_models_facts_does(place: str) -> None:
    assert any(_is_in(name, [place]) for name in _saying(_facts_of_models()))


@pytest.mark.parametrize("place", INSTANCE_TYPES_REPEATED)
def test_who_may_name_an_instance_type_does(place: str) -> None:
    assert any(_is_in(name, [place]) for name in _saying(_instance_types()))


def test_a_models_facts_can_be_true() -> None:
    for name, model in known_models().items():
        card, weights = model.card, model.weights
        assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name)
        assert 1 <= card.default_max_tokens < card.context
        assert 0 <= card.default_temperature <= 2
        assert re.fullmatch(r"[0-9a-f]{64}", weights.sha256)
        assert weights.bytes > 0
        assert weights.url.startswith("https://")
        assert Path(urlsplit(weights.url).path).name == weights.file
    ids = [model.card.id for model in known_models().values()]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_takes_a_known_model(variant: str) -> None:
    text = (TEMPLATE / f"{variant}.pkrvars.hcl").read_text(encoding="utf-8")
    (model,) = re.findall(r'^model += "(\S+)"$', text, flags=re.MULTILINE)
    assert model in known_models()


def test_an_instance_type_that_is_a_default_has_a_price() -> None:
    types = known_instance_types()
    assert len({each.type for each in types}) == len(types)
    assert [each.type for each in types if each.default]
    assert [each.type for each in types if each.default and each.usd_per_hour <= 0] == []
    written = json.loads(INSTANCE_TYPES.read_text(encoding="utf-8"))
    assert [each for each in written if "cuda_architecture" not in each] == []
