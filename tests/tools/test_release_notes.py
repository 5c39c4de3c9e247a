"""A release's notes are its section of the changelog, or there is no release."""

import pytest

from release_notes.notes import NotesError, notes

CHANGELOG = """# Changelog

## [Unreleased]

### Added
- What is not out yet.

## [1.2.0] - 2026-11-30

### Added
- One thing.

## [1.1.9]

### Fixed
- A section that has no date.

## [1.1.0] - 2026-11-01

## [1.0.0] - 2026-10-01

- The first.
"""


@pytest.mark.parametrize("version", ["v1.2.0", "1.2.0"])
def test_the_section_of_a_version(version: str) -> None:
    assert notes(CHANGELOG, version) == "### Added\n- One thing.\n"


def test_the_last_section_ends_with_the_file() -> None:
    assert notes(CHANGELOG, "v1.0.0") == "- The first.\n"


@pytest.mark.parametrize(
    ("version", "says"),
    [
        ("v1.3.0", r"no section of 1\.3\.0: put what is under \[Unreleased\] below"),
        ("v1.1.0", r"says nothing of 1\.1\.0: write what changed"),
        ("v1.1.9", r"gives 1\.1\.9 no date"),
        ("", r"'' is no version: name one with VERSION=v1\.2\.3"),
        ("v1.2", r"'v1\.2' is no version"),
        ("v1.2.0; rm -rf /", r"is no version"),
    ],
)
def test_what_is_missing_is_said(version: str, says: str) -> None:
    with pytest.raises(NotesError, match=says):
        notes(CHANGELOG, version)
