"""What this machine offers, and the defaults that follow from it."""

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from llama_cpp._ggml import libggml

# A smaller model is computed faster by one thread: llama.cpp's threads wait for each other several
# times a layer by spinning, and one that is not scheduled holds up all. On two busy cores the
# stand-in model gave 2,066 tokens/s with one thread and 48 with two.
SMALL_MODEL_BYTES: Final = 64 * 1024 * 1024
# More sequences than these no longer add to the tokens per second of a CPU, or of one GPU.
MAX_CPU_SLOTS: Final = 16
MAX_GPU_SLOTS: Final = 32
# The share of free memory for conversations; the rest is for activations and other processes.
_CPU_SHARE: Final = 0.25
_GPU_SHARE: Final = 0.8
# ggml_backend_dev_type: GPU, and a GPU that shares the host's memory.
_GPU_TYPES: Final = (1, 2)


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU that llama.cpp offers: its name and its free memory in bytes."""

    name: str
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Machine:
    """Cores that this process may use, and free memory in bytes; `gpu_bytes` 0 without a GPU."""

    cores: int
    memory_bytes: int
    gpu_bytes: int

    def threads(self, model_bytes: int) -> int:
        """One thread for a small model, else one for each core."""
        return 1 if model_bytes < SMALL_MODEL_BYTES else self.cores

    def slots(self, bytes_per_slot: int) -> int:
        """How many conversations at once are worth it and fit in memory."""
        if self.gpu_bytes:
            room, most = self.gpu_bytes * _GPU_SHARE, MAX_GPU_SLOTS
        else:
            room, most = self.memory_bytes * _CPU_SHARE, MAX_CPU_SLOTS
        return max(1, min(most, int(room // max(1, bytes_per_slot))))


def look() -> Machine:
    """This machine as it is now; ask again after the weights are loaded."""
    return Machine(
        len(os.sched_getaffinity(0)), _free_memory(), sum(gpu.free_bytes for gpu in gpus())
    )


def _free_memory() -> int:
    fields = dict(
        line.split(":", 1) for line in Path("/proc/meminfo").read_text("ascii").splitlines()
    )
    free = int(fields["MemAvailable"].split()[0]) * 1024
    # A service or a container may have less than the machine (cgroup v2).
    group = Path("/proc/self/cgroup").read_text("utf-8").strip().rpartition("::")[2]
    folder = Path("/sys/fs/cgroup") / group.lstrip("/")
    try:
        limit = (folder / "memory.max").read_text("ascii").strip()
        used = int((folder / "memory.current").read_text("ascii"))
    except OSError:
        return free
    return free if limit == "max" else max(0, min(free, int(limit) - used))


def gpus() -> list[Gpu]:
    """The GPUs that llama.cpp computes on."""
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    libggml.ggml_backend_dev_get.restype = ctypes.c_void_p
    libggml.ggml_backend_dev_get.argtypes = [ctypes.c_size_t]
    libggml.ggml_backend_dev_count.restype = ctypes.c_size_t
    libggml.ggml_backend_dev_type.argtypes = [ctypes.c_void_p]
    libggml.ggml_backend_dev_description.restype = ctypes.c_char_p
    libggml.ggml_backend_dev_description.argtypes = [ctypes.c_void_p]
    libggml.ggml_backend_dev_memory.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    found = []
    for index in range(libggml.ggml_backend_dev_count()):
        device = libggml.ggml_backend_dev_get(index)
        if libggml.ggml_backend_dev_type(device) in _GPU_TYPES:
            name = libggml.ggml_backend_dev_description(device).decode(errors="replace")
            libggml.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(total))
            found.append(Gpu(name, free.value))
    return found


def backends() -> list[str]:
    """What this build of llama.cpp can compute with, by llama.cpp's names: `CPU`, `CUDA`."""
    libggml.ggml_backend_reg_count.restype = ctypes.c_size_t
    libggml.ggml_backend_reg_get.restype = ctypes.c_void_p
    libggml.ggml_backend_reg_get.argtypes = [ctypes.c_size_t]
    libggml.ggml_backend_reg_name.restype = ctypes.c_char_p
    libggml.ggml_backend_reg_name.argtypes = [ctypes.c_void_p]
    return [
        libggml.ggml_backend_reg_name(libggml.ggml_backend_reg_get(index)).decode()
        for index in range(libggml.ggml_backend_reg_count())
    ]
