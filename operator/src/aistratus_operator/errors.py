"""The errors of this package."""


class OperatorError(Exception):
    """The command cannot go on; the text is a sentence with the next step."""


class Usage(OperatorError):
    """The command was called wrongly; nothing was done, and AWS was not called."""
