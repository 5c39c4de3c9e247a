"""Settings from the environment, each read once and refused by name."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from aistratus_daemon.errors import SettingsError

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True)
class Environment:
    """Typed access to environment variables."""

    variables: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def text(self, name: str) -> str:
        """A variable that must be there."""
        value = self.variables.get(name, "")
        if not value:
            raise SettingsError(f"{name} is not set; the service's unit file or `local/` sets it.")
        return value

    def path(self, name: str) -> Path:
        """A variable that must be there and names a file."""
        return Path(self.text(name))

    def count(self, name: str, default: int, *, low: int, high: int) -> int:
        """A whole number between `low` and `high`; `default` where the variable is absent."""
        value = self.variables.get(name, "")
        if not value:
            return default
        if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
            raise SettingsError(f"{name} must be a whole number from {low} to {high}, not {value}.")
        return int(value)

    def choice(self, name: str, default: Choice) -> Choice:
        """One of the values that `default`'s type has; `default` where the variable is absent."""
        value = self.variables.get(name, "") or default.value
        choices = [member.value for member in type(default)]
        if value not in choices:
            raise SettingsError(f"{name} must be one of {', '.join(choices)}, not {value}.")
        return type(default)(value)
