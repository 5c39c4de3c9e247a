"""The one error of this package."""


class HouseError(Exception):
    """Set-up cannot go on; the text is a sentence with the next step."""
