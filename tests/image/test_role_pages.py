"""A role's README says what its specification says."""

from pathlib import Path

import pytest

from role_pages.page import page, roles


@pytest.mark.parametrize("role", roles(), ids=lambda path: path.name)
def test_the_page_is_as_the_specification(role: Path) -> None:
    readme = role / "README.md"
    assert readme.is_file(), "make role-pages writes it"
    assert readme.read_text(encoding="utf-8") == page(role), "make role-pages writes it anew"
