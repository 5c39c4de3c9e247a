"""Finds a version's section in CHANGELOG.md, which is in Keep a Changelog's form."""

import re
from typing import Final

_VERSION: Final = re.compile(r"v?(\d+\.\d+\.\d+)")
_SECTION: Final = re.compile(r"^## \[([^\]]+)\](?: - (\d{4}-\d{2}-\d{2}))?\s*$", re.MULTILINE)


class NotesError(Exception):
    """There are no notes for a version; the text says what to do."""


def notes(changelog: str, version: str) -> str:
    """The section of `version`, which may be a tag's name; raises `NotesError`."""
    found = _VERSION.fullmatch(version)
    if found is None:
        raise NotesError(f"{version!r} is no version: name one with VERSION=v1.2.3.")
    headings = list(_SECTION.finditer(changelog))
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        if heading[1] != found[1]:
            continue
        if heading[2] is None:
            raise NotesError(f"CHANGELOG.md gives {found[1]} no date: write it behind the heading.")
        text = changelog[heading.end() : following.start() if following else None].strip()
        if not text:
            raise NotesError(f"CHANGELOG.md says nothing of {found[1]}: write what changed.")
        return text + "\n"
    raise NotesError(
        f"CHANGELOG.md has no section of {found[1]}: put what is under [Unreleased] below "
        f"## [{found[1]}] - DATE, and set the tag again."
    )
