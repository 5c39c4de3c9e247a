"""Where the client gets its access token from."""

from typing import Protocol


class TokenSource(Protocol):
    """Hands out access tokens; whoever implements it decides where they come from."""

    async def access_token(self) -> str:
        """A token that should be good for a while; raises `SignInNeeded` when there is none."""
        ...

    async def refresh(self) -> None:
        """Get another token: the API refused this one. Raises `SignInNeeded`."""
        ...
