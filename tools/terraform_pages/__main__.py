"""`python -m terraform_pages`: writes the README of each module."""

from terraform_pages.page import folders, page

for folder in folders():
    (folder / "README.md").write_text(page(folder), encoding="utf-8")
