"""Errors of this package."""


class LocalError(Exception):
    """Root of what this package raises; its text is a sentence for the person at the terminal."""


class Usage(LocalError):
    """The command was called wrongly: nothing was started."""
