"""`.env_public`: what the apps need to know about a deployment. Nothing in it is secret."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from aistratus_contracts.registry import REGISTRY_VARIABLE
from aistratus_operator import ROOT

PUBLIC_FILE: Final = ROOT / ".env_public"
_ENVIRONMENT: Final = "AISTRATUS_ENV"


def write(path: Path, environment: str, outputs: Mapping[str, Any]) -> None:
    """Write, atomically, the file that the app and the command line read."""
    values = {
        _ENVIRONMENT: environment,
        "AISTRATUS_API_URL": outputs["api_url"],
        "AISTRATUS_LOGIN_URL": outputs["login_url"],
        "AISTRATUS_CLIENT_ID": outputs["client_id"],
        "AISTRATUS_REGION": outputs["region"],
        REGISTRY_VARIABLE: outputs["registry_prefix"],
    }
    lines = [
        f"# Written by make deploy ENV={environment}; nothing in it is secret.",
        *(f"{name}={value}" for name, value in values.items()),
    ]
    made = path.with_name(f"{path.name}.new")
    made.write_text("\n".join(lines) + "\n", encoding="utf-8")
    made.replace(path)


def environment_of(path: Path) -> str:
    """The environment that the file describes; "" if there is no file or it names none."""
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    values = (line.removeprefix(f"{_ENVIRONMENT}=") for line in lines if f"{_ENVIRONMENT}=" in line)
    return next(values, "")


def forget(path: Path, environment: str) -> None:
    """Remove the file if it describes that environment, as its addresses no longer work."""
    if environment_of(path) == environment:
        path.unlink()
