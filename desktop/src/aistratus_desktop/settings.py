"""The addresses of this app's Aistratus, read once from the environment or a deployment's file."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

# `make deploy` writes it; nothing in it is secret.
PUBLIC_FILE: Final = ".env_public"
FILE_VARIABLE: Final = "AISTRATUS_ENV_FILE"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class SettingsError(Exception):
    """A setting is missing or wrong; the text says which one and what to do."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The API, the managed login, and this app's client id there."""

    api_url: str
    login_url: str
    client_id: str
    region: str


def load_settings(
    environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Settings:
    """Settings from `AISTRATUS_…` variables or, where these are not set, from `.env_public`.

    The file is the one that `AISTRATUS_ENV_FILE` names, else the one in the working directory.
    Raises `SettingsError`.
    """
    environment = os.environ if environment is None else environment
    named = environment.get(FILE_VARIABLE)
    path = Path(named) if named else (folder or Path.cwd()) / PUBLIC_FILE
    if named and not path.is_file():
        raise SettingsError(
            f"{FILE_VARIABLE} names {named}, which is no file. Correct the path, or unset it."
        )
    known = {**(_read(path) if path.is_file() else {}), **environment}
    return Settings(
        api_url=_address(known, "AISTRATUS_API_URL"),
        login_url=_address(known, "AISTRATUS_LOGIN_URL"),
        client_id=_needed(known, "AISTRATUS_CLIENT_ID"),
        region=_needed(known, "AISTRATUS_REGION"),
    )


def _read(path: Path) -> dict[str, str]:
    """`NAME=value` lines; skips blank lines and comments, removes quotes."""
    values = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            values[name.strip()] = value.strip().strip("\"'")
    return values


def _needed(known: Mapping[str, str], name: str) -> str:
    value = known.get(name, "").strip()
    if not value:
        raise SettingsError(
            f"{name} is not set. Start with `make demo`, or use the {PUBLIC_FILE} that "
            "`make deploy` wrote."
        )
    return value


def _address(known: Mapping[str, str], name: str) -> str:
    """A URL that may get tokens: it must be https, except on this machine."""
    value = _needed(known, name).rstrip("/")
    parts = urlsplit(value)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not is_safe or not parts.hostname:
        raise SettingsError(
            f"{name} is {value!r}, which is no https:// address. "
            "Correct it (http:// is for this machine only)."
        )
    return value
