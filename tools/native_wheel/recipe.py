"""How llama-cpp-python is compiled for a processor: on any Linux machine, for any of them.

zig is the compiler, because it compiles for other processors and for an older glibc than the
machine's own. The wheel therefore runs on every distribution since 2018, and needs no library but
glibc: zig links the C++ library in, and llama.cpp has threads of its own in place of OpenMP.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from housekeeping import native
from housekeeping.errors import HouseError
from housekeeping.process import run
from housekeeping.released import PROCESSORS
from housekeeping.requirements import Pin, read_pins, render

GLIBC: Final = (2, 28)
"""Debian 10, Ubuntu 18.10, RHEL 8 and newer."""

_MANYLINUX: Final = re.compile(r"manylinux_(\d+)_(\d+)_")

OFF: Final = ("GGML_NATIVE", "GGML_OPENMP", "LLAMA_OPENSSL", "LLAMA_USE_PREBUILT_UI")
"""What would tie a wheel to this machine: its processor, its libraries, files from the network."""


@dataclass(frozen=True)
class Recipe:
    """zig's name of the processor, and the instruction sets that llama.cpp switches by name."""

    cpu: str
    on: tuple[str, ...] = ()
    off: tuple[str, ...] = ()


_AVX: Final = ("GGML_AVX", "GGML_AVX2", "GGML_FMA", "GGML_F16C", "GGML_BMI2")

RECIPES: Final[Mapping[str, Recipe]] = {
    "x86-64-v3": Recipe("x86_64_v3", on=("GGML_SSE42", *_AVX)),
    "x86-64-v2": Recipe("x86_64_v2", on=("GGML_SSE42",), off=_AVX),
    "arm64": Recipe("generic+v8_2a+dotprod+fullfp16"),
}


def build(processor: str, tools: Path, lock: Path, target: Path, *, log: Path) -> Path:
    """Compiles the wheel for `processor` into the folder `target`; returns its path.

    Args:
        processor: one of `RECIPES`.
        tools: the environment of requirements/wheels.txt.
        lock: the lock file with the source's hash.
        target: the folder for the wheel; it is made if missing.
        log: the file for the compiler's output.

    Raises:
        HouseError: it does not compile, or needs more of the system than it should.
    """
    source = next(pin for pin in read_pins(lock) if pin.name == native.BUILT_HERE)
    with tempfile.TemporaryDirectory(prefix="aistratus-wheel-") as scratch:
        bench = _Bench(processor, tools, Path(scratch), log)
        tagged = _tag(bench, _compile(bench, source))
        target.mkdir(parents=True, exist_ok=True)
        wheel = target / tagged.name
        wheel.write_bytes(tagged.read_bytes())
    return wheel


def system_info(wheel: Path) -> str:
    """llama.cpp's own words on what it was compiled for, from the library in the wheel.

    Raises:
        HouseError: the library cannot be loaded here.
    """
    script = (
        "import ctypes, pathlib, sys, zipfile\n"
        "zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])\n"
        "library = pathlib.Path(sys.argv[2], 'llama_cpp', 'lib', 'libllama.so')\n"
        "said = ctypes.CDLL(str(library)).llama_print_system_info\n"
        "said.restype = ctypes.c_char_p\n"
        "print(said().decode())\n"
    )
    with tempfile.TemporaryDirectory(prefix="aistratus-wheel-") as scratch:
        done = subprocess.run(
            [sys.executable, "-c", script, str(wheel), scratch],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise HouseError(f"{wheel.name} cannot be loaded here:\n{done.stderr.strip()[-500:]}")
    return done.stdout.strip()


@dataclass(frozen=True)
class _Bench:
    """For which processor, with which tools, in which scratch folder, into which log."""

    processor: str
    tools: Path
    scratch: Path
    log: Path

    @property
    def machine(self) -> str:
        return PROCESSORS[self.processor][0]

    @property
    def python(self) -> str:
        return str(self.tools / "bin" / "python")

    @property
    def path(self) -> str:
        return f"{self.tools / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def _compile(bench: _Bench, source: Pin) -> Path:
    recipe = RECIPES[bench.processor]
    compilers = _compilers(bench, recipe.cpu)
    settings = {
        "CMAKE_SYSTEM_NAME": "Linux",
        "CMAKE_SYSTEM_PROCESSOR": bench.machine,
        "CMAKE_C_COMPILER": str(compilers / "cc"),
        "CMAKE_CXX_COMPILER": str(compilers / "c++"),
        "CMAKE_AR": str(compilers / "ar"),
        "CMAKE_RANLIB": str(compilers / "ranlib"),
        **dict.fromkeys(recipe.on, "ON"),
        **dict.fromkeys((*recipe.off, *OFF), "OFF"),
    }
    listed = bench.scratch / "source.txt"
    listed.write_text(render([source]), encoding="utf-8")
    built = bench.scratch / "built"
    command = [bench.python, "-m", "pip", "wheel", "-v", "--no-deps", "--require-hashes"]
    command += ["--no-build-isolation", "--no-cache-dir", "--disable-pip-version-check"]
    with native.watched(f"Compiling llama.cpp for {bench.processor}") as watch:
        run(
            [*command, "-w", built, "-r", listed],
            log=bench.log,
            failure=f"{source.name} {source.version} could not be built.",
            env={
                "PATH": bench.path,
                "CMAKE_ARGS": " ".join(f"-D{name}={value}" for name, value in settings.items()),
                "_PYTHON_HOST_PLATFORM": f"linux-{bench.machine}",
                "SOURCE_DATE_EPOCH": "315532800",  # 1980, where zip's calendar begins
            },
            watch=watch,
        )
    return next(built.glob("*.whl"))


def _compilers(bench: _Bench, cpu: str) -> Path:
    """A folder with zig under the names of the usual programs, for that processor and glibc."""
    zig = f'exec "{bench.python}" -m ziglang'
    target = f"-target {bench.machine}-linux-gnu.{GLIBC[0]}.{GLIBC[1]} -mcpu={cpu}"
    place = bench.scratch / "zig"
    place.mkdir()
    for name, command in (
        ("cc", f"{zig} cc {target}"),
        ("c++", f"{zig} c++ {target}"),
        ("ar", f"{zig} ar"),
        ("ranlib", f"{zig} ranlib"),
    ):
        program = place / name
        program.write_text(f'#!/bin/sh\n{command} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
    return place


def _tag(bench: _Bench, built: Path) -> Path:
    """Names the wheel for its glibc and its processor, after checking what it needs."""
    checked = bench.scratch / "checked"
    run(
        [bench.python, "-m", "auditwheel", "repair", "--plat", "auto", "-w", checked, built],
        log=bench.log,
        failure=f"{built.name} needs more of the system than a wheel may.",
        env={"PATH": bench.path},
    )
    (wheel,) = checked.glob("*.whl")
    oldest = min(
        ((int(major), int(minor)) for major, minor in _MANYLINUX.findall(wheel.name)),
        default=None,
    )
    if oldest is None or oldest > GLIBC:
        raise HouseError(f"{wheel.name} needs a newer glibc than {GLIBC[0]}.{GLIBC[1]}.")
    platform = f"manylinux_{GLIBC[0]}_{GLIBC[1]}_{bench.machine}"
    tag = f"1_{bench.processor.replace('-', '_')}"
    command = [bench.python, "-m", "wheel", "tags", "--remove", "--platform-tag", platform]
    run(
        [*command, "--build", tag, wheel],
        log=bench.log,
        failure=f"{wheel.name} could not be named.",
    )
    return next(checked.glob("*.whl"))
