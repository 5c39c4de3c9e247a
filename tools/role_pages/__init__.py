"""Each role's README, made of its specification: `python -m role_pages`."""
