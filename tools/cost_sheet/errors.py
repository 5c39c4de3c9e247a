"""The error of this package."""


class CostError(Exception):
    """A price is missing, or the configuration cannot be counted."""
