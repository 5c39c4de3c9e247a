"""The one error of this package."""


class MachineError(Exception):
    """A machine cannot be started or used; the text is a sentence with the next step."""
