"""How much one user may have at a time; a deployment sets it in the functions' environment."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

from aistratus_contracts import limits
from aistratus_router.errors import Misconfigured

# An entry takes 80 bytes of an item, which is written with every prompt.
MOST_OPEN_JOBS: Final = 1000
# The rate is kept in milliseconds.
MOST_A_MINUTE: Final = 60_000


@dataclass(frozen=True, slots=True)
class UserLimits:
    """What one user may have; only `readers` is for all users together."""

    lanes: int = limits.LANES_PER_USER
    open_jobs: int = limits.OPEN_JOBS_PER_USER
    prompts_per_minute: int = limits.PROMPTS_PER_MINUTE
    prompt_burst: int = limits.PROMPT_BURST
    readers_per_user: int = limits.READERS_PER_USER
    readers: int = limits.READERS

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "UserLimits":
        """The limits that are set, else the contract's defaults; raises `Misconfigured`."""
        given: dict[str, int] = {}
        for field in fields(cls):
            variable, most = VARIABLES[field.name]
            text = environ.get(variable, "").strip()
            if not text:
                continue
            if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most):
                raise Misconfigured(
                    f"{variable} must be a whole number from 1 to {most}; correct it in the "
                    "function's environment."
                )
            given[field.name] = int(text)
        return cls(**given)


# Each limit's variable, and the most that it can be set to.
VARIABLES: Final = {
    "lanes": ("AISTRATUS_LANES_PER_USER", 1000),
    "open_jobs": ("AISTRATUS_OPEN_JOBS_PER_USER", MOST_OPEN_JOBS),
    "prompts_per_minute": ("AISTRATUS_PROMPTS_PER_MINUTE", MOST_A_MINUTE),
    "prompt_burst": ("AISTRATUS_PROMPT_BURST", MOST_A_MINUTE),
    "readers_per_user": ("AISTRATUS_READERS_PER_USER", 10_000),
    "readers": ("AISTRATUS_READERS", 10_000),
}
