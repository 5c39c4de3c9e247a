"""What the engine is told by its environment."""

import os
from dataclasses import dataclass
from pathlib import Path

from aistratus_daemon.environment import Environment


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """`context` is in tokens per conversation, 0 for what the model was trained with."""

    socket: Path
    model_file: Path
    model_sha256: str
    slots: int
    context: int
    threads: int
    gpu_layers: int


def read_settings(environment: Environment) -> EngineSettings:
    """The settings, or a `SettingsError` that names the variable."""
    cores = len(os.sched_getaffinity(0))
    return EngineSettings(
        socket=environment.path("AISTRATUS_ENGINE_SOCKET"),
        model_file=environment.path("AISTRATUS_MODEL_FILE"),
        model_sha256=environment.text("AISTRATUS_MODEL_SHA256"),
        slots=environment.count("AISTRATUS_ENGINE_SLOTS", 8, low=1, high=256),
        context=environment.count("AISTRATUS_ENGINE_CONTEXT", 0, low=0, high=1_048_576),
        threads=environment.count("AISTRATUS_ENGINE_THREADS", cores, low=1, high=1024),
        gpu_layers=environment.count("AISTRATUS_ENGINE_GPU_LAYERS", 999, low=0, high=999),
    )
