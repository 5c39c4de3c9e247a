"""Counts in grammars, patterns and schemas, seen before anything is made of them."""

import time

import pytest

from aistratus_contracts.limits import MAX_GRAMMAR_BYTES
from aistratus_contracts.repetitions import wrong_in_grammar, wrong_in_pattern, wrong_in_schema

GOOD_GRAMMARS = [
    'root ::= "a"{3} [b-d]{0,256} ("x" | "y"){2,}',
    'root ::= "{999999}" [{999999}] # {999999}\n"a"',
    "root ::= r1{0,100}\nr1 ::= r2{0,100}",
]
WRONG_GRAMMARS = {
    'root ::= "a"{5,2}': "at least 5 and at most 2",
    'root ::= "a"{257}': "more than 256 times",
    'root ::= "a"{100000,}': "more than 256 times",
    'root ::= "a"{99999999999999999999}': "more than 256 times",
    'root ::= ("a"{0,200}){0,200}': "multiply to more than 4096",
    'root ::= ("a" {200}) {30}': "multiply to more than 4096",
}
WRONG_PATTERNS = {
    "^a{1000000000}$": "more than 256 times",
    "^[a]{0,100000000}$": "more than 256 times",
    "((a{16}){16}){17}": "multiply to more than 4096",
    "(a{99}|b){99}": "multiply to more than 4096",
}


@pytest.mark.parametrize("source", GOOD_GRAMMARS)
def test_ordinary_counts_pass(source: str) -> None:
    assert wrong_in_grammar(source) is None


@pytest.mark.parametrize("source", WRONG_GRAMMARS)
def test_a_grammars_counts_are_bounded(source: str) -> None:
    assert WRONG_GRAMMARS[source] in (wrong_in_grammar(source) or "")


@pytest.mark.parametrize("pattern", WRONG_PATTERNS)
def test_a_patterns_counts_are_bounded_wherever_it_stands_in_a_schema(pattern: str) -> None:
    said = WRONG_PATTERNS[pattern]
    assert said in (wrong_in_pattern(pattern) or "")
    assert said in (wrong_in_schema({"anyOf": [{"items": {"pattern": pattern}}]}) or "")
    assert said in (wrong_in_schema({"patternProperties": {pattern: {}}}) or "")


def test_escaped_braces_are_no_counts() -> None:
    assert wrong_in_pattern(r"\{999\}[{999}]") is None


def test_a_schemas_own_counts_and_depth_are_bounded() -> None:
    assert "maxLength is at most" in (wrong_in_schema({"maxLength": 10**6}) or "")
    deep: object = {}
    for _ in range(100):
        deep = {"items": deep}
    assert "too deeply" in (wrong_in_schema(deep) or "")
    assert wrong_in_schema({"properties": {"minItems": {"type": "integer"}}}) is None


@pytest.mark.parametrize(
    "part", ["(", "[", "{", '"', "\\", "{ ", "{1 ", "{1", '"\\', "[a", "a{2}", "({1}", "#", "{1,"]
)
def test_the_look_is_linear_in_the_text(part: str) -> None:
    def seconds(size: int) -> float:
        text = (part * size)[:size] + " " * size
        began = time.process_time()
        wrong_in_grammar(text)
        wrong_in_pattern(text)
        return time.process_time() - began

    assert seconds(MAX_GRAMMAR_BYTES) < 0.2
    small = min(seconds(MAX_GRAMMAR_BYTES // 4) for _ in range(3))
    large = min(seconds(MAX_GRAMMAR_BYTES) for _ in range(3))
    assert large < 10 * small + 0.01
