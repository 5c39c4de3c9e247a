"""Every field that steers sampling changes the answer, from the request to the engine.

A field that is lost on the way, or that the engine does not apply, fails here.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from support.sampling_cases import CASES, QUESTION
from support.system import Person, text_of


def answer(person: Person, settings: dict[str, Any]) -> str:
    return text_of(person.follow(person.ask(QUESTION, **settings)["job_id"]))


@pytest.fixture(scope="module")
def without(person: Person) -> Callable[[dict[str, Any]], str]:
    """The answer without a field, which is always the same."""
    known: dict[str, str] = {}

    def ask(settings: dict[str, Any]) -> str:
        key = json.dumps(settings)
        if key not in known:
            known[key] = answer(person, settings)
            assert answer(person, settings) == known[key]
        return known[key]

    return ask


@pytest.mark.parametrize("name", CASES)
def test_a_field_changes_the_answer(
    person: Person, without: Callable[[dict[str, Any]], str], name: str
) -> None:
    beside, value = CASES[name]
    assert answer(person, {**beside, name: value}) != without(beside)
