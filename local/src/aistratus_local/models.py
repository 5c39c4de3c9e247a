"""The models that can run here, and how their files get onto this machine."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from aistratus_contracts.known_models import known_models
from aistratus_contracts.models import ModelCard
from aistratus_local.choices import STANDIN, check_choice
from aistratus_local.console import Console
from aistratus_local.download import RemoteFile, fetch

# A mirror with the same paths, in place of the host that real weights come from.
MODELS_URL_VARIABLE: Final = "AISTRATUS_MODELS_URL"


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model whose file is on this machine."""

    card: ModelCard
    path: Path
    sha256: str


def model_id(choice: str) -> str:
    """The model id in the API for that choice."""
    return _standin().card.id if choice == STANDIN else known_models()[choice].card.id


def local_model(
    choice: str, console: Console, environment: Mapping[str, str] | None = None
) -> LocalModel:
    """The model of that name, its file downloaded if missing; raises `LocalError`."""
    environment = os.environ if environment is None else environment
    if check_choice(choice) == STANDIN:
        return _standin()
    model = known_models()[choice]
    weights = model.weights
    mirror = environment.get(MODELS_URL_VARIABLE, "").rstrip("/")
    url = f"{mirror}{urlsplit(weights.url).path}" if mirror else weights.url
    remote = RemoteFile(weights.file, url, weights.bytes, weights.sha256)
    path = fetch(remote, models_folder(environment) / weights.file, console)
    return LocalModel(model.card, path, weights.sha256)


def models_folder(environment: Mapping[str, str]) -> Path:
    """The folder for downloaded weights."""
    home = environment.get("HOME") or str(Path.home())
    cache = environment.get("XDG_CACHE_HOME") or f"{home}/.cache"
    return Path(cache) / "aistratus" / "models"


def _standin() -> LocalModel:
    weights = files("aistratus_local") / "weights"
    text = (weights / "aistratus-standin.json").read_text(encoding="utf-8")
    described: dict[str, Any] = json.loads(text)
    card = ModelCard(
        id=described["id"],
        title="Aistratus stand-in",
        context=described["context"],
        # Its longest answer has 358 tokens.
        default_max_tokens=400,
        # It has memorized its answers: sampling would only mix them up.
        default_temperature=0.0,
        license="Apache-2.0",
    )
    with as_file(weights / described["file"]) as path:
        return LocalModel(card, path, described["sha256"])
