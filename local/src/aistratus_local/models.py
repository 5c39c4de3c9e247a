"""Which models there are here, and how their files come to be on this machine."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final

from aistratus_contracts.models import ModelCard
from aistratus_local.choices import STANDIN, TINYLLAMA, check_choice
from aistratus_local.console import Console
from aistratus_local.download import RemoteFile, fetch

# Where real weights come from; a mirror of the same layout can take its place.
MODELS_URL_VARIABLE: Final = "AISTRATUS_MODELS_URL"
DEFAULT_MODELS_URL: Final = "https://huggingface.co"
_TINYLLAMA_NAME: Final = "tinyllama-1.1b-chat-v1.0.Q4_K_M.gguf"
_TINYLLAMA_PATH: Final = (
    "TheBloke/TinyLlama-1.1B-Chat-v1.0-GGUF/resolve/"
    f"52e7645ba7c309695bec7ac98f4f005b139cf465/{_TINYLLAMA_NAME}"
)
_TINYLLAMA_BYTES: Final = 668_788_096
_TINYLLAMA_SHA256: Final = "9fecc3b3cd76bba89d504f29b616eedf7da85b96540e490ca5824d3f7d2776a0"


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model whose file is on this machine."""

    card: ModelCard
    path: Path
    sha256: str


def model_id(choice: str) -> str:
    """What the API calls that choice."""
    return "tinyllama-1.1b-chat" if choice == TINYLLAMA else str(_standin_description()["id"])


def local_model(
    choice: str, console: Console, environment: Mapping[str, str] | None = None
) -> LocalModel:
    """The model of that name, its file fetched if need be; raises a `LocalError`."""
    environment = os.environ if environment is None else environment
    if check_choice(choice) == STANDIN:
        return _standin()
    base = environment.get(MODELS_URL_VARIABLE, "").rstrip("/") or DEFAULT_MODELS_URL
    remote = RemoteFile(
        _TINYLLAMA_NAME, f"{base}/{_TINYLLAMA_PATH}", _TINYLLAMA_BYTES, _TINYLLAMA_SHA256
    )
    path = fetch(remote, models_folder(environment) / _TINYLLAMA_NAME, console)
    card = ModelCard(
        id=model_id(choice),
        title="TinyLlama 1.1B Chat",
        context=2048,
        default_max_tokens=512,
        default_temperature=0.7,
        license="Apache-2.0",
    )
    return LocalModel(card, path, _TINYLLAMA_SHA256)


def models_folder(environment: Mapping[str, str]) -> Path:
    """Where fetched weights are kept."""
    home = environment.get("HOME") or str(Path.home())
    cache = environment.get("XDG_CACHE_HOME") or f"{home}/.cache"
    return Path(cache) / "aistratus" / "models"


def _standin() -> LocalModel:
    described = _standin_description()
    card = ModelCard(
        id=described["id"],
        title="Aistratus stand-in",
        context=described["context"],
        # Its longest answer has 358.
        default_max_tokens=400,
        # It has learnt its answers by heart: sampling would only mix them up.
        default_temperature=0.0,
        license="Apache-2.0",
    )
    with as_file(_weights() / described["file"]) as path:
        return LocalModel(card, path, described["sha256"])


def _standin_description() -> dict[str, Any]:
    text = (_weights() / "aistratus-standin.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def _weights() -> Any:
    return files("aistratus_local") / "weights"
