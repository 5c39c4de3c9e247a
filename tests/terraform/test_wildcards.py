"""IAM: no wildcard in a policy of terraform/ without the reason beside it.

The reason is a comment that begins with the word, in the policy's statement, or right above the
line where there is no statement. Names that begin alike count too, not only `*` alone.
"""

import re
from collections.abc import Iterator
from itertools import takewhile

import pytest

from support.terraform_code import code

STATEMENT = re.compile(r'^(?P<indent>\s*)(dynamic "statement"|statement) \{$')
REASON = re.compile(r"#\s*Wildcards?\b.*(: | of )")
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
WHOLE = re.compile(r"^(\*|[a-z0-9-]+:\*)$")


def unexplained(text: str) -> list[str]:
    """The lines with a wildcard that nobody gives a reason for."""
    lines = text.splitlines()
    found = []
    inside = set()
    for start, end in statements(lines):
        inside |= set(range(start, end))
        if not any(REASON.search(line) for line in lines[start:end]):
            found += [line for line in lines[start:end] if any("*" in each for each in said(line))]
    for number, line in enumerate(lines):
        if number in inside or not any(is_wildcard(each) for each in said(line)):
            continue
        above = takewhile(lambda each: each.strip().startswith("#"), reversed(lines[:number]))
        if not any(REASON.search(each) for each in above):
            found.append(line)
    return [line.strip() for line in found]


def statements(lines: list[str]) -> Iterator[tuple[int, int]]:
    """The first line of each statement, and the one after its last."""
    for start, line in enumerate(lines):
        if match := STATEMENT.match(line):
            yield start, lines.index(match["indent"] + "}", start) + 1


def said(line: str) -> list[str]:
    """The texts in quotes in a line of code."""
    return [] if line.strip().startswith("#") else LITERAL.findall(line)


def is_wildcard(literal: str) -> bool:
    """Whether a text outside a policy's statement is a pattern for ARNs or actions."""
    return bool(WHOLE.match(literal)) or ("*" in literal and "arn" in literal)


def test_every_wildcard_has_a_reason() -> None:
    found = {path: lines for path, text in code().items() if (lines := unexplained(text))}
    assert found == {}


@pytest.mark.parametrize(
    "line",
    [
        'actions   = ["sqs:*"]',
        'resources = ["*"]',
        'actions   = ["sqs:Get*"]',
        'resources = ["${var.table_arn}/index/*"]',
        'resources = ["arn:aws:s3:::ours-*"]',
    ],
)
def test_a_wildcard_without_a_reason_is_found(line: str) -> None:
    statement = f"  statement {{\n    {line}\n    # What it is for.\n  }}"
    assert unexplained(statement) == [line]
    assert unexplained(statement.replace("# What", "# Wildcard: what")) == []


@pytest.mark.parametrize(
    "line", ['Action = "s3:*"', 'Resource = ["*"]', 'group = "arn:aws:x:${var.region}:*:ours"']
)
def test_it_is_found_outside_of_a_statement_too(line: str) -> None:
    assert unexplained(f"locals {{\n  {line}\n}}") == [line]
    assert unexplained(f"locals {{\n  # Wildcard: AWS makes it up.\n  {line}\n}}") == []
    assert unexplained(f"# Wildcard: of another.\n\nlocals {{\n  {line}\n}}") == [line]


def test_what_is_no_wildcard_is_left_alone() -> None:
    assert unexplained('  statement {\n    actions = ["sqs:SendMessage"]\n  }') == []
    assert unexplained('condition = can(regex("^[a-z]*$", var.name))') == []
