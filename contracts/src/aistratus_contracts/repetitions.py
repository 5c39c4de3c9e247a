r"""Counted repetitions in a pattern or a grammar, and what they multiply to.

`a{1000}` is seven characters that stand for a thousand; `((a{99}){99}){99}` stands for a million. A
compiler may expand such a text before it checks any limit of its own. So the text is checked here
first, both when a request is accepted and before it is compiled. The check is linear in the text,
and knows only the escapes, character classes, groups and counts of each language.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from aistratus_contracts.limits import MAX_EXPANSION, MAX_REPETITIONS, MAX_SCHEMA_COUNT

# A count with more digits is too large; its value need not be read.
_MAX_DIGITS: Final = 9
# Possessive, and the closing character may be missing: nothing is ever read twice.
_COUNT: Final = re.compile(r"\{\s*+([0-9]++)\s*+(,?+)\s*+([0-9]*+)\s*+\}")
_CLASS: Final = r"\[(?:\\.|[^\]\\])*+\]?+"
_TEXT: Final = r'"(?:\\.|[^"\\])*+"?+'
# Parts that hold no counts, each matched in one step.
_IN_PATTERN: Final = re.compile(rf"\\.|{_CLASS}|.", re.DOTALL)
_IN_GRAMMAR: Final = re.compile(rf"{_TEXT}|{_CLASS}|#[^\n]*|.", re.DOTALL)
# These strings in a schema are patterns.
_PATTERN_KEYWORD: Final = "pattern"
_PATTERNS_KEYWORD: Final = "patternProperties"
_COUNT_KEYWORDS: Final = (
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minProperties",
    "maxProperties",
    "minContains",
    "maxContains",
)
_SCHEMA_TOO_DEEP: Final = "the schema nests too deeply; send a flatter one"
# Every part refuses a schema that nests deeper; Python's own stack allows some 1,000 levels.
MAX_SCHEMA_DEPTH: Final = 64


def wrong_in_grammar(source: str) -> str | None:
    """What is wrong with a grammar's counts, as the end of a sentence; None if nothing is."""
    return _wrong(source, _IN_GRAMMAR)


def wrong_in_pattern(pattern: str) -> str | None:
    """The same for a regular expression."""
    return _wrong(pattern, _IN_PATTERN)


def wrong_in_schema(schema: Any) -> str | None:
    """The same for a JSON Schema: its patterns, its counts, and how deep it nests."""
    return next(_wrong_parts(schema, MAX_SCHEMA_DEPTH), None)


def _wrong_parts(node: Any, levels: int) -> Iterator[str]:
    if levels == 0:
        yield _SCHEMA_TOO_DEEP
        return
    if isinstance(node, list):
        for item in node:
            yield from _wrong_parts(item, levels - 1)
        return
    if not isinstance(node, dict):
        return
    for key, item in node.items():
        if key in _COUNT_KEYWORDS and isinstance(item, int | float) and item > MAX_SCHEMA_COUNT:
            yield f"{key} is at most {MAX_SCHEMA_COUNT}"
        if key == _PATTERN_KEYWORD and isinstance(item, str):
            yield from filter(None, [wrong_in_pattern(item)])
        if key == _PATTERNS_KEYWORD and isinstance(item, dict):
            yield from filter(None, map(wrong_in_pattern, item))
        yield from _wrong_parts(item, levels - 1)


def _wrong(text: str, steps: re.Pattern[str]) -> str | None:
    # The largest product so far in each open group, and the product of the atom just read.
    groups, atom = [1], 1
    position = 0
    while position < len(text):
        counted = _COUNT.match(text, position) if text[position] == "{" else None
        if counted is not None:
            least, comma, most = counted.groups()
            if max(len(least), len(most)) > _MAX_DIGITS:
                return f"it repeats something more than {MAX_REPETITIONS} times"
            low = int(least)
            high = int(most) if most else low
            if high > MAX_REPETITIONS or low > MAX_REPETITIONS:
                return f"it repeats something more than {MAX_REPETITIONS} times"
            if comma and most and high < low:
                return f"it repeats something at least {low} and at most {high} times"
            atom *= max(high, 1)
            if atom > MAX_EXPANSION:
                return f"its repetitions multiply to more than {MAX_EXPANSION}"
            groups[-1] = max(groups[-1], atom)
            position = counted.end()
            continue
        step = steps.match(text, position)
        assert step is not None  # noqa: S101 - the last alternative takes any character
        match step.group():
            case "(":
                groups.append(1)
                atom = 1
            case ")" if len(groups) > 1:
                atom = groups.pop()
                groups[-1] = max(groups[-1], atom)
            case " " | "\t" | "\n" | "\r" | "+" | "*" | "?":
                # A grammar may have a space before a count, and an atom may be counted twice.
                pass
            case _:
                atom = 1
        position = step.end()
    return None
