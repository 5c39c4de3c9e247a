"""Defaults follow from the machine; what a person sets is set."""

from pathlib import Path

import pytest

from aistratus_daemon.engine import machine
from aistratus_daemon.engine.llama import is_repacked
from aistratus_daemon.engine.machine import MAX_CPU_SLOTS, MAX_GPU_SLOTS, SMALL_MODEL_BYTES, Machine
from aistratus_daemon.engine.settings import CacheType, EngineSettings, Switch, read_settings
from aistratus_daemon.environment import Environment
from aistratus_daemon.errors import SettingsError

GIB = 2**30
NEEDED = {
    "AISTRATUS_ENGINE_SOCKET": "/run/engine.sock",
    "AISTRATUS_MODEL_FILE": "/models/m.gguf",
    "AISTRATUS_MODEL_SHA256": "0" * 64,
}


def read(**more: str) -> EngineSettings:
    return read_settings(Environment({**NEEDED, **more}))


def test_a_small_model_gets_one_thread_and_a_large_one_every_core() -> None:
    here = Machine(cores=8, memory_bytes=16 * GIB, gpu_bytes=0)
    assert here.threads(SMALL_MODEL_BYTES - 1) == 1
    assert here.threads(SMALL_MODEL_BYTES) == 8


@pytest.mark.parametrize(
    ("memory", "gpu", "per_slot", "slots"),
    [
        (16 * GIB, 0, GIB // 20, MAX_CPU_SLOTS),
        (4 * GIB, 0, GIB // 4, 4),
        (1 * GIB, 0, GIB, 1),  # one is the least
        (64 * GIB, 20 * GIB, GIB, 16),
        (64 * GIB, 80 * GIB, GIB, MAX_GPU_SLOTS),
    ],
)
def test_as_many_slots_as_there_is_memory_for(
    memory: int, gpu: int, per_slot: int, slots: int
) -> None:
    assert Machine(2, memory, gpu).slots(per_slot) == slots


def test_this_machine_has_cores_and_memory() -> None:
    here = machine.look()
    assert here.cores >= 1
    assert here.memory_bytes > 2**20


def test_what_is_not_set_is_left_to_the_machine() -> None:
    settings = read()
    assert (settings.slots, settings.threads, settings.context) == (0, 0, 0)
    assert settings.flash_attention is Switch.AUTO
    assert settings.socket == Path("/run/engine.sock")


def test_everything_can_be_set() -> None:
    settings = read(
        AISTRATUS_ENGINE_SLOTS="3",
        AISTRATUS_ENGINE_FLASH_ATTENTION="off",
        AISTRATUS_ENGINE_CACHE_TYPE="q8_0",
        AISTRATUS_ENGINE_PARKED_MIB="0",
        AISTRATUS_SYSTEM_PROMPT="Be brief.",
    )
    assert settings.slots == 3
    assert settings.flash_attention is Switch.OFF
    assert settings.cache_type is CacheType.Q8_0
    assert settings.parked_mib == 0
    assert settings.system_prompt == "Be brief."


def test_a_choice_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="AISTRATUS_ENGINE_CACHE_TYPE must be one of f16, q8_0"):
        read(AISTRATUS_ENGINE_CACHE_TYPE="int3")


@pytest.mark.parametrize(
    ("wanted", "system_info", "repacked"),
    [
        (Switch.AUTO, "CPU : AVX512 = 1 | REPACK = 1 | ", True),
        (Switch.AUTO, "CPU : AVX512 = 1 | AMX_INT8 = 1 | REPACK = 1 | ", False),
        (Switch.ON, "CPU : AMX_INT8 = 1 | ", True),
        (Switch.OFF, "CPU : REPACK = 1 | ", False),
    ],
)
def test_kernels_that_crash_on_some_machines_are_used_only_if_wanted(
    wanted: Switch, system_info: str, repacked: bool
) -> None:
    assert is_repacked(wanted, system_info) is repacked
