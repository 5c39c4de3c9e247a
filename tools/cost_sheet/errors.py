"""What can be wrong with a cost sheet."""


class CostError(Exception):
    """A price is missing, or the configuration cannot be counted."""
