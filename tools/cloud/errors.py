"""The errors of this package."""


class CloudError(Exception):
    """The command cannot go on; the text is a sentence with the next step."""


class Usage(CloudError):
    """The command was called wrongly; nothing was done, and AWS was not called."""
