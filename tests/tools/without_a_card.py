"""llama.cpp as it is compiled for a card, on a machine without one: `make test-long` runs this.

The first run compiles for half an hour and more; then the build is in the cache. What a card would
say is not seen here.
"""

import json
import os
import platform
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from aistratus_daemon.frames import Generate
from cuda_wheel import kit, recipe, toolkit
from cuda_wheel.pack import LIBRARIES, Built
from engine_bench import shape
from housekeeping import ROOT, setup
from support.engine_process import (
    engine_environment,
    greedy,
    refusal,
    running_engine,
    user,
)

ARCHITECTURE = "sm_90"
MOST_SECONDS = 3.0
MOST_WHEEL_MIB = 40


@dataclass(frozen=True)
class Kernels:
    """What was compiled, unpacked, and where its libraries are."""

    built: Built
    packages: Path
    cuda: Path
    driver: Path

    def environment(self, *, has_driver: bool = True) -> Mapping[str, str]:
        """With what Python finds this llama.cpp in place of the installed one."""
        folders = [self.driver, self.cuda] if has_driver else [self.cuda]
        return {
            "PYTHONPATH": str(self.packages),
            "LD_LIBRARY_PATH": os.pathsep.join(map(str, folders)),
        }


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Kernels:
    folder = tmp_path_factory.mktemp("kernels")
    built = recipe.build(ARCHITECTURE, log=folder / "build.log")
    with zipfile.ZipFile(built.wheel) as archive:
        archive.extractall(folder / "packages")
    driver, cuda = toolkit.libraries_of(recipe.cache_folder())
    return Kernels(built, folder / "packages", cuda, driver)


def test_the_wheel_can_travel(kernels: Kernels) -> None:
    with zipfile.ZipFile(kernels.built.wheel) as archive:
        libraries = [name for name in archive.namelist() if ".so" in name]
    assert len(libraries) == len(LIBRARIES)
    assert kernels.built.wheel.stat().st_size <= MOST_WHEEL_MIB * 2**20


def test_it_loads_and_finds_no_device(kernels: Kernels) -> None:
    script = (
        "from aistratus_daemon.engine import machine\n"
        "import llama_cpp\n"
        "print(llama_cpp.__file__, machine.gpus(), machine.backends())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **kernels.environment()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{kernels.packages}/llama_cpp/__init__.py [] ['CUDA', 'CPU']\n"
    assert "no CUDA-capable device is detected" in done.stderr


@pytest.mark.parametrize(
    ("has_driver", "sentence"),
    [
        (True, "llama.cpp finds no GPU (it is built for CUDA, CPU)"),
        (False, "libcuda.so.1: cannot open shared object file"),
    ],
)
def test_an_engine_that_is_meant_for_a_card_ends_at_once(
    kernels: Kernels, tmp_path: Path, *, has_driver: bool, sentence: str
) -> None:
    variables = {"AISTRATUS_ENGINE_GPU": "on", **kernels.environment(has_driver=has_driver)}
    refusal(engine_environment(tmp_path, **variables))  # cuBLAS's 600 MB are read once
    began = time.monotonic()
    code, message = refusal(engine_environment(tmp_path, **variables))
    assert time.monotonic() - began <= MOST_SECONDS
    assert code == 4
    assert sentence in message


def test_one_that_need_not_have_a_card_answers_on_the_processor(
    kernels: Kernels, tmp_path: Path
) -> None:
    with running_engine(tmp_path, **kernels.environment()) as engine, engine.link() as link:
        heard = link.ask(Generate("one", "one", user("What is Aistratus?"), greedy(8)))
        assert len(heard.ids) == 8


def test_the_benchmark_for_a_card_runs_from_its_kit(kernels: Kernels, tmp_path: Path) -> None:
    shape.shape_model(shape.cache_folder(), shape.TINY)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    pip = [str(setup.apart("wheels") / "bin" / "python"), "-m", "pip"]
    facts = kit.Facts(ARCHITECTURE, python, platform.machine())
    lock = ROOT / "requirements" / "dev.txt"
    kit.fill(tmp_path / "kit", facts, kernels.built, lock, pip, log=tmp_path / "log")
    options = f"--cpu --quick --rounds 1 --kit {tmp_path / 'kit'} --output {tmp_path / 'results'}"
    subprocess.run(
        ["make", "bench-gpu", f"ARGS={options}"],
        cwd=ROOT,
        env={**os.environ, "LD_LIBRARY_PATH": kernels.environment()["LD_LIBRARY_PATH"]},
        check=False,  # 1 is for a bar that a busy processor misses
    )
    results = json.loads((tmp_path / "results" / "gpu.json").read_text())
    assert [section.get("failures") for section in results["sections"]] == [None] * 4
    rates = {(cell["contender"], cell["jobs"]) for cell in results["cells"]}
    names = ("raw loop", "llama-server", "engine")
    assert rates == {(name, jobs) for name in names for jobs in (1, 2, 4, 6, 8)}
    assert (tmp_path / "results" / "gpu.png").is_file()
