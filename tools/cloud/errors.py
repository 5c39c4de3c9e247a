"""The one error of this package."""


class CloudError(Exception):
    """The command cannot go on; the text is a sentence with the next step."""
