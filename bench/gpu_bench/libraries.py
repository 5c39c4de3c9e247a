"""Where this machine has what llama.cpp's kernels are linked with."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from gpu_bench.errors import Unprepared

DRIVER: Final = "libcuda.so.1"
RUNTIME: Final = ("libcudart.so.13", "libcublas.so.13", "libcublasLt.so.13")
"""CUDA's runtime and cuBLAS; PyTorch brings them along, and so does CUDA's toolkit."""

# Below a folder of Python packages, and below the root.
_IN_PACKAGES: Final = ("nvidia/cu13/lib", "nvidia/cublas/lib", "nvidia/cuda_runtime/lib")
_TOOLKITS: Final = ("/usr/local/cuda/lib64", "/usr/local/cuda-13.0/lib64", "/opt/cuda/lib64")
_DRIVERS: Final = ("/usr/local/nvidia/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib64")
_LISTED: Final = re.compile(r"^\s*(\S+) \(.*\) => (\S+)$", re.MULTILINE)


def folders(environ: Mapping[str, str], packages: Iterable[str], listed: str) -> list[Path]:
    """The folders that the loader must be told of, those that the person has named first.

    Args:
        environ: the environment; LD_LIBRARY_PATH is the person's.
        packages: the folders of Python packages (`sys.path`).
        listed: what `ldconfig -p` says.

    Raises:
        Unprepared: the machine lacks one of the libraries.
    """
    known = {name for name, _ in _LISTED.findall(listed)}
    named = [Path(each) for each in environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if each]
    inside = [Path(each) / below for each in packages for below in _IN_PACKAGES]
    found = list(named)
    for library in (DRIVER, *RUNTIME):
        if library in known:
            continue  # the loader finds it by itself
        more = _DRIVERS if library == DRIVER else _TOOLKITS
        places = [*named, *inside, *map(Path, more)]
        folder = next((each for each in places if (each / library).is_file()), None)
        if folder is None:
            raise Unprepared(_missing(library))
        found.append(folder)
    return list(dict.fromkeys(found))


def known_to_loader() -> str:
    """What `ldconfig -p` says; empty where there is none."""
    for program in ("ldconfig", "/sbin/ldconfig"):
        try:
            done = subprocess.run([program, "-p"], capture_output=True, text=True, check=False)
        except OSError:
            continue
        return done.stdout
    return ""


def try_loading(environ: Mapping[str, str]) -> None:
    """Load llama.cpp as the benchmark will; raises `Unprepared` with the loader's words."""
    done = subprocess.run(
        [sys.executable, "-c", "import llama_cpp"],
        env=dict(environ),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
        raise Unprepared(
            f"The kit's llama.cpp does not load here ({said[0]}). If a library is missing, install "
            "it or name its folder with LD_LIBRARY_PATH; else make the kit on a system no newer "
            "than this one."
        )


def _missing(library: str) -> str:
    if library == DRIVER:
        return (
            f"This machine has no NVIDIA driver ({DRIVER} is not found): install it, and see that "
            "nvidia-smi shows the card. Without a card, the program itself can be tried with "
            'ARGS="--cpu", where LD_LIBRARY_PATH names a library that stands for the driver\'s '
            "(docs/gpu.md)."
        )
    return (
        f"This machine has no {library}, with which llama.cpp computes: install CUDA 13's runtime "
        "and cuBLAS, or PyTorch for CUDA 13 for this Python, or name their folder with "
        "LD_LIBRARY_PATH."
    )
