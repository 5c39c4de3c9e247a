"""The errors of this package."""


class PreflightError(Exception):
    """The target cannot run here; the text is a sentence with the next step."""


class WrongCall(PreflightError):
    """The target was called wrongly."""
