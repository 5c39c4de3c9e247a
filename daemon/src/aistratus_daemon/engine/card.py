"""An engine that is meant for a card does not answer on the processor.

llama.cpp falls back to the processor without a word where it finds no GPU: the answers would take
a hundred times as long, at a GPU's price.
"""

from collections.abc import Sequence
from pathlib import Path

from aistratus_daemon.engine import machine
from aistratus_daemon.engine.machine import Gpu
from aistratus_daemon.errors import DeviceError

_MIB = 1024 * 1024


def require(model_file: Path) -> None:
    """Refuse this machine if its GPUs cannot hold the weights; raises `DeviceError`."""
    # A file that is not there is the verification's to refuse.
    size = model_file.stat().st_size if model_file.exists() else 0
    check(machine.gpus(), machine.backends(), size)


def check(found: Sequence[Gpu], backends: Sequence[str], model_bytes: int) -> None:
    """Refuse GPUs that cannot hold the weights; raises `DeviceError`.

    Several GPUs share them, as llama.cpp shares out layers.
    """
    if not found:
        raise DeviceError(
            "AISTRATUS_ENGINE_GPU is on, and llama.cpp finds no GPU (it is built for "
            f"{', '.join(backends)}); see what nvidia-smi says and whether /dev/nvidia-uvm is "
            "there, or set it to auto."
        )
    free = sum(gpu.free_bytes for gpu in found)
    names = ", ".join(gpu.name for gpu in found)
    if not free:
        raise DeviceError(
            f"{names} has no free memory; end what else uses it (nvidia-smi), or restart the "
            "machine."
        )
    if free < model_bytes:
        raise DeviceError(
            f"The weights take {model_bytes // _MIB} MiB, and {names} has {free // _MIB} MiB free; "
            "choose a smaller model or an instance with a larger card."
        )
