"""What the engine is told by its environment."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aistratus_daemon.environment import Environment

# A model this small is computed faster than threads can agree: llama.cpp's threads wait for each
# other several times a layer by spinning, and one that is not scheduled holds up all. On two
# busy cores the stand-in model gave 2,066 tokens/s with one thread and 48 with two.
SMALL_MODEL_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """`context` is in tokens per conversation, 0 for what the model was trained with.

    `threads` 0 is for `default_threads`.
    """

    socket: Path
    model_file: Path
    model_sha256: str
    slots: int
    context: int
    threads: int
    gpu_layers: int


def read_settings(environment: Environment) -> EngineSettings:
    """The settings, or a `SettingsError` that names the variable."""
    return EngineSettings(
        socket=environment.path("AISTRATUS_ENGINE_SOCKET"),
        model_file=environment.path("AISTRATUS_MODEL_FILE"),
        model_sha256=environment.text("AISTRATUS_MODEL_SHA256"),
        slots=environment.count("AISTRATUS_ENGINE_SLOTS", 8, low=1, high=256),
        context=environment.count("AISTRATUS_ENGINE_CONTEXT", 0, low=0, high=1_048_576),
        threads=environment.count("AISTRATUS_ENGINE_THREADS", 0, low=0, high=1024),
        gpu_layers=environment.count("AISTRATUS_ENGINE_GPU_LAYERS", 999, low=0, high=999),
    )


def default_threads(model_bytes: int) -> int:
    """One thread for a small model, else one for each core that this process may use."""
    return 1 if model_bytes < SMALL_MODEL_BYTES else len(os.sched_getaffinity(0))
