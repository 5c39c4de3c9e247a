"""How llama.cpp is compiled for a card: once for each kind, and kept in the cache.

CMake builds in the cache, from the source of llama-cpp-python, so that a build that was
interrupted goes on, and the wheel and llama-server come from one build. The flags are the image's
(`packer/worker/build.pkr.hcl`) but for OpenMP, whose library not every machine has.
"""

import hashlib
import os
import platform
import shutil
import tarfile
from pathlib import Path
from typing import Final

from cuda_wheel import pack, toolkit
from housekeeping import ROOT, native, setup, store
from housekeeping.process import run
from housekeeping.requirements import Pin, read_pins, render
from native_wheel.recipe import OFF

TARGETS: Final = ("llama", "mtmd", "llama-server")

# One file for each library, found beside whoever needs it: llama.cpp's own names carry a version,
# and a wheel, which has no links, then holds each library three times.
_ALONE: Final = {
    "CMAKE_PLATFORM_NO_VERSIONED_SONAME": "ON",
    "CMAKE_INSTALL_RPATH": "$ORIGIN",
    "CMAKE_BUILD_WITH_INSTALL_RPATH": "ON",
}
# What this build has no use for, or what would come from the network or depend on the machine.
_LEFT_OUT: Final = (
    *OFF,
    "GGML_CCACHE",
    "GGML_CUDA_NCCL",
    "LLAMA_BUILD_EXAMPLES",
    "LLAMA_BUILD_TESTS",
    "LLAMA_BUILD_UI",
)


def cache_folder() -> Path:
    """Where the toolkit, the source and the builds are kept: beside what set-up keeps."""
    return store.store_path().parent / "cuda"


def settings(architecture: str, tools: Path) -> dict[str, str]:
    """CMake's settings for that architecture, with the toolkit in `tools`."""
    number = architecture.removeprefix("sm_")
    return {
        "CMAKE_BUILD_TYPE": "Release",
        "BUILD_SHARED_LIBS": "ON",
        **_ALONE,
        "GGML_CUDA": "ON",
        # Machine code for that card alone; without "-real", PTX for later ones comes with it.
        "CMAKE_CUDA_ARCHITECTURES": f"{number}-real",
        "CMAKE_CUDA_COMPILER": str(tools / "bin" / "nvcc"),
        "CUDAToolkit_ROOT": str(tools),
        # Whoever links a program with the kernels must find cuBLAS, which they need.
        "CMAKE_EXE_LINKER_FLAGS": f"-Wl,-rpath-link,{tools / 'lib'}",
        **dict.fromkeys(_LEFT_OUT, "OFF"),
    }


def build(architecture: str, *, log: Path) -> pack.Built:
    """The wheel and the server for that architecture, from the cache if they are there.

    Raises:
        HouseError: something could not be fetched, or does not compile.
    """
    cache = cache_folder()
    locks = ROOT / "requirements"
    source = next(pin for pin in read_pins(locks / "daemon.txt") if pin.name == native.BUILT_HERE)
    place = cache / f"{source.version}-{architecture}"
    stamp = place / "built-of"
    digest = _digest(architecture, source, locks / "cuda.txt")
    with store.locked(cache):
        if stamp.is_file() and stamp.read_text(encoding="ascii") == digest:
            return pack.packed(place)
        native.compiler()
        programs = setup.apart("wheels") / "bin"
        pip = [str(programs / "python"), "-m", "pip"]
        tools = toolkit.provide(cache, locks / "cuda.txt", pip, log=log)
        unpacked = _source(cache, pip, source, log=log)
        _compile(architecture, unpacked, place, tools, programs, log=log)
        python = programs / "python"
        built = pack.pack(unpacked, place, architecture, platform.machine(), python, log=log)
        stamp.write_text(digest, encoding="ascii")
    return built


def _digest(architecture: str, source: Pin, cuda: Path) -> str:
    """A digest of all that a build is made from."""
    parts = [source.render(), toolkit.made_of(cuda), str(settings(architecture, Path()))]
    parts.append(Path(pack.__file__).read_text(encoding="utf-8"))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _source(cache: Path, pip: list[str], source: Pin, *, log: Path) -> Path:
    """The unpacked source of llama-cpp-python, checked against the lock."""
    name = f"{source.name.replace('-', '_')}-{source.version}"
    place = cache / name
    if place.is_dir():
        return place
    fetched = cache / "source.part"
    shutil.rmtree(fetched, ignore_errors=True)
    fetched.mkdir(parents=True)
    listed = fetched / "source.txt"
    listed.write_text(render([source]), encoding="utf-8")
    command = [*pip, "download", "--no-deps", "--no-binary=:all:", "--no-build-isolation"]
    command += ["--require-hashes", "--progress-bar=off", "--disable-pip-version-check"]
    # pip asks the source for its metadata: its build tools must be found.
    path = f"{Path(pip[0]).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    run(
        [*command, "--dest", fetched, "-r", listed],
        log=log,
        failure=store.NO_NETWORK,
        env={"PATH": path},
    )
    with tarfile.open(next(fetched.glob("*.tar.gz"))) as archive:
        # Python 3.11.2, which is Debian 12's, has no filters yet.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(fetched)  # noqa: S202  it is known by its hash
    (fetched / name).replace(place)
    shutil.rmtree(fetched)
    return place


def _compile(
    architecture: str, source: Path, place: Path, tools: Path, programs: Path, *, log: Path
) -> None:
    path = f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    chosen = {**settings(architecture, tools), "CMAKE_MAKE_PROGRAM": str(programs / "ninja")}
    given = [f"-D{name}={value}" for name, value in chosen.items()]
    cmake = programs / "cmake"
    run(
        [cmake, "-G", "Ninja", "-S", source / "vendor" / "llama.cpp", "-B", place, *given],
        log=log,
        failure="llama.cpp's build for a card could not be set up.",
        env={"PATH": path},
    )
    title = f"Compiling llama.cpp for {architecture} (once, half an hour on 2 cores)"
    with native.watched(title) as watch:
        run(
            [cmake, "--build", place, "--target", *TARGETS],
            log=log,
            failure="llama.cpp could not be compiled; the next run goes on from here.",
            env={"PATH": path, "CMAKE_BUILD_PARALLEL_LEVEL": str(_jobs())},
            watch=watch,
        )


def _jobs() -> int:
    """How many compilers at once: nvcc takes up to 3 GiB for an attention kernel."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**30
    return max(1, min(len(os.sched_getaffinity(0)), memory // 3))
