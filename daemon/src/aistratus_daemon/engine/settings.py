"""The engine's settings, from its environment."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from aistratus_daemon.environment import Environment
from aistratus_daemon.errors import SettingsError


class Switch(StrEnum):
    """On, off, or as suits the machine."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


class CacheType(StrEnum):
    """How keys and values are kept; the names are llama.cpp's."""

    F16 = "f16"
    Q8_0 = "q8_0"


class Peers(StrEnum):
    """Who may use the socket besides root: the engine's own user alone, or its group too."""

    USER = "user"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What a person may set. 0, or `auto`, means what suits the machine (`machine`).

    `context` is in tokens per conversation, 0 for what the model was trained with. `batch_tokens`
    is the most prompt tokens that one call to llama.cpp computes, `micro_batch_tokens` how many it
    computes in one piece. `parked_mib` bounds the host memory for conversations that have lost
    their slot. `gpu` on refuses to start without a GPU; off leaves all layers on the processor;
    `refusal_file` then says why. `system_prompt` opens every conversation that brings none of its
    own.
    """

    socket: Path
    model_file: Path
    model_sha256: str
    slots: int = 0
    context: int = 0
    batch_tokens: int = 512
    micro_batch_tokens: int = 512
    threads: int = 0
    gpu: Switch = Switch.AUTO
    gpu_layers: int = 999
    flash_attention: Switch = Switch.AUTO
    cache_type: CacheType = CacheType.F16
    repack: Switch = Switch.AUTO
    parked_mib: int = 1024
    system_prompt: str = ""
    peers: Peers = Peers.USER
    refusal_file: Path | None = None


def read_settings(environment: Environment) -> EngineSettings:
    """The settings, or a `SettingsError` that names the variable."""
    gpu = environment.choice("AISTRATUS_ENGINE_GPU", Switch.AUTO)
    layers = environment.count("AISTRATUS_ENGINE_GPU_LAYERS", 999, low=0, high=999)
    if gpu is Switch.ON and not layers:
        raise SettingsError(
            "AISTRATUS_ENGINE_GPU is on and AISTRATUS_ENGINE_GPU_LAYERS is 0; leave one of them "
            "out."
        )
    refusal_file = environment.variables.get("AISTRATUS_ENGINE_REFUSAL_FILE", "")
    return EngineSettings(
        socket=environment.path("AISTRATUS_ENGINE_SOCKET"),
        model_file=environment.path("AISTRATUS_MODEL_FILE"),
        model_sha256=environment.text("AISTRATUS_MODEL_SHA256"),
        slots=environment.count("AISTRATUS_ENGINE_SLOTS", 0, low=0, high=256),
        context=environment.count("AISTRATUS_ENGINE_CONTEXT", 0, low=0, high=1_048_576),
        batch_tokens=environment.count("AISTRATUS_ENGINE_BATCH", 512, low=64, high=16_384),
        micro_batch_tokens=environment.count(
            "AISTRATUS_ENGINE_MICRO_BATCH", 512, low=64, high=16_384
        ),
        threads=environment.count("AISTRATUS_ENGINE_THREADS", 0, low=0, high=1024),
        gpu=gpu,
        gpu_layers=0 if gpu is Switch.OFF else layers,
        flash_attention=environment.choice("AISTRATUS_ENGINE_FLASH_ATTENTION", Switch.AUTO),
        cache_type=environment.choice("AISTRATUS_ENGINE_CACHE_TYPE", CacheType.F16),
        repack=environment.choice("AISTRATUS_ENGINE_REPACK", Switch.AUTO),
        parked_mib=environment.count("AISTRATUS_ENGINE_PARKED_MIB", 1024, low=0, high=1_048_576),
        system_prompt=environment.variables.get("AISTRATUS_SYSTEM_PROMPT", ""),
        peers=environment.choice("AISTRATUS_ENGINE_PEERS", Peers.USER),
        refusal_file=Path(refusal_file) if refusal_file else None,
    )
