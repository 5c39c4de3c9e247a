"""Errors of this package."""


class LocalError(Exception):
    """Base of this package's errors; its text is a sentence for the person at the terminal."""


class Usage(LocalError):
    """The command was called wrongly; nothing was started."""
