"""`python -m role_pages`: writes the README of each role."""

from role_pages.page import page, roles

for role in roles():
    (role / "README.md").write_text(page(role), encoding="utf-8")
