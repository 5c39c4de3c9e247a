"""What the environment tells the router; everything else is in the registry."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from aistratus_contracts.registry import REGISTRY_VARIABLE
from aistratus_router.errors import Misconfigured
from aistratus_router.user_limits import UserLimits


@dataclass(frozen=True, slots=True)
class Settings:
    """`registry` is the prefix of our parameters, for example `/aistratus/dev`."""

    registry: str
    limits: UserLimits = field(default_factory=UserLimits)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Read once, at start; raises `Misconfigured`."""
        registry = environ.get(REGISTRY_VARIABLE, "").rstrip("/")
        if not registry.startswith("/"):
            raise Misconfigured(
                f"{REGISTRY_VARIABLE} must hold the prefix of the registry, such as "
                "/aistratus/dev; set it in the function's environment."
            )
        return cls(registry, UserLimits.from_environment(environ))
