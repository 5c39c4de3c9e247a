"""The base of this package's errors, and those that are no caller's fault."""


class RouterError(Exception):
    """Base of this package's errors."""


class Misconfigured(RouterError):
    """The environment or the registry lacks something that the router cannot do without."""


class Unavailable(RouterError):
    """Something the router needs did not answer; the caller should retry soon."""
