"""The interface from which the client gets its access tokens."""

from typing import Protocol


class TokenSource(Protocol):
    """Provides access tokens; the implementation decides where they come from."""

    async def access_token(self) -> str:
        """A token that should stay valid for a while; raises `SignInNeeded` if there is none."""
        ...

    async def refresh(self) -> None:
        """Get a new token because the API refused this one; raises `SignInNeeded`."""
        ...
