"""What llama.cpp puts on the card: a child that loads the model and makes a context."""

import argparse
import ctypes
import json
import re
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import llama_cpp

from aistratus_daemon.engine import machine
from engine_bench.errors import BenchError
from engine_bench.processes import process, python_module
from engine_bench.shape import CONTEXT

_OFFLOADED: Final = re.compile(r"offloaded (\d+)/(\d+) layers")
_MIB: Final = 1024 * 1024
_SMI: Final = (
    "nvidia-smi",
    "--query-gpu=name,driver_version,memory.total",
    "--format=csv,noheader",
)
_SMI_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Load:
    """What a model and its conversations take of all cards together, in MiB.

    `devices` are llama.cpp's names; `layers` of `all_layers` are computed on them.
    """

    devices: tuple[str, ...]
    layers: int
    all_layers: int
    model_mib: float
    context_mib: float


def described() -> str | None:
    """The first card, its driver and its memory, as nvidia-smi says; None where it says nothing."""
    try:
        done = subprocess.run(
            _SMI, capture_output=True, text=True, check=True, timeout=_SMI_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return None
    name, driver, memory = (part.strip() for part in done.stdout.splitlines()[0].split(","))
    return f"{name}, driver {driver}, {memory}"


def load(model_file: Path, sequences: int, log: Path) -> Load:
    """What llama.cpp puts on the cards for that model and number of conversations.

    Raises:
        BenchError: it could not be loaded.
    """
    arguments = python_module("gpu_bench.card", str(model_file), f"--sequences={sequences}")
    with process("The model's loader", arguments, log, piped=True) as running:
        line = running.stdout.readline()
        if not line:
            raise running.failure("ended before it had loaded the model")
    found = json.loads(line)
    return Load(**{**found, "devices": tuple(found["devices"])})


def main() -> None:
    """Load, and say what it took: one JSON object on standard output."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--sequences", type=int, required=True)
    options = parser.parse_args()
    lines: list[str] = []
    # Kept until the end: llama.cpp holds the pointer.
    keep = llama_cpp.llama_log_callback(lambda _level, text, _data: lines.append(text.decode()))
    llama_cpp.llama_log_set(keep, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    before = _free()
    model = llama_cpp.llama_model_load_from_file(
        str(options.model).encode(), llama_cpp.llama_model_default_params()
    )
    if not model:
        raise BenchError(f"llama.cpp cannot load {options.model}.")
    loaded = _free()
    parameters = llama_cpp.llama_context_default_params()
    parameters.n_seq_max = options.sequences
    parameters.n_ctx = options.sequences * CONTEXT
    context = llama_cpp.llama_init_from_model(model, parameters)
    if not context:
        raise BenchError(f"There is not enough memory for {options.sequences} conversations.")
    said = _OFFLOADED.search("".join(lines))
    found = Load(
        tuple(gpu.name for gpu in machine.gpus()),
        int(said[1]) if said else 0,
        int(said[2]) if said else llama_cpp.llama_model_n_layer(model) + 1,
        (before - loaded) / _MIB,
        (loaded - _free()) / _MIB,
    )
    sys.stdout.write(json.dumps(asdict(found)) + "\n")
    llama_cpp.llama_free(context)
    llama_cpp.llama_model_free(model)


def _free() -> int:
    return sum(gpu.free_bytes for gpu in machine.gpus())


if __name__ == "__main__":
    main()
