"""What can go wrong between an app and the API; each error is a sentence with a next step."""

from aistratus_contracts.errors import ErrorCode
from aistratus_contracts.problem import Problem


class GatewayError(Exception):
    """Base of the gateway client's errors; its text is meant for the person."""


class SignInNeeded(GatewayError):
    """There is no accepted access token, and only the person can get one, by signing in."""

    def __init__(self, text: str = "You are signed out. Sign in to go on.") -> None:
        super().__init__(text)


class Unreachable(GatewayError):
    """The API did not answer or is temporarily unavailable. A retry may help.

    `retry_after` is how many seconds the API asks the client to wait.
    """

    def __init__(
        self,
        text: str = (
            "Aistratus cannot be reached. Check your connection, and that the system is "
            "running; then try again."
        ),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class Unreadable(GatewayError):
    """This release does not understand the API's answer."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"The answer from Aistratus cannot be read: {what} "
            "Try again; if it stays, update the app."
        )


class Refused(GatewayError):
    """The API understood the request and refused it. `problem` says why, if the API did."""

    def __init__(self, status: int, text: str, problem: Problem | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.problem = problem

    @property
    def code(self) -> ErrorCode | None:
        """The stable code of the refusal, for programs to act on."""
        return self.problem.code if self.problem else None


class NotFound(Refused):
    """The requested thing does not exist (any more), or belongs to another user."""
