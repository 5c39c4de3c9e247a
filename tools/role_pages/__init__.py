"""Each role's README, made from its specification: `python -m role_pages`."""
