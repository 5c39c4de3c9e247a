"""All of a card's wheel that needs no compiler of NVIDIA's: toolkit, flags, packing, kit."""

import ctypes
import json
import platform
import re
import subprocess
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from cuda_wheel import kit, pack, recipe, toolkit
from cuda_wheel.asked import ARCHITECTURES, architecture_of
from cuda_wheel.pack import LIBRARIES, SERVER, Built
from housekeeping import ROOT, native, setup
from housekeeping.errors import HouseError
from housekeeping.requirements import read_pins

NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE
INSTANCES = json.loads((ROOT / "terraform" / "instance_types.json").read_text())


def test_every_card_that_the_fleet_may_have_can_be_compiled_for() -> None:
    assert {f"sm_{each['cuda_architecture']}" for each in INSTANCES} <= set(ARCHITECTURES)


def test_no_other_card_is_known() -> None:
    with pytest.raises(HouseError, match=r"'sm_42' is none\. Say ARCH= one of: sm_75, "):
        architecture_of({"ARCH": "sm_42"})


def test_the_flags_are_the_images() -> None:
    build = (ROOT / "packer" / "worker" / "build.pkr.hcl").read_text()
    image = {
        name: value.upper()
        for name, value in re.findall(r"-D(GGML_[A-Z_]+)=(on|off)\b", build)
        if "ARM" not in name
    }
    assert image == {"GGML_CUDA": "ON", "GGML_NATIVE": "OFF"}
    ours = recipe.settings("sm_90", Path("/toolkit"))
    assert image.items() <= ours.items()
    assert not [name for name in ours if name.startswith(("GGML_CUDA_FA", "GGML_CUDA_NO"))]
    assert ours["CMAKE_CUDA_ARCHITECTURES"] == "90-real"
    assert ours["CMAKE_CUDA_COMPILER"] == "/toolkit/bin/nvcc"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A toolkit from a wheel that is as NVIDIA's are."""
    wheel = tmp_path / "nvidia_cuda_nvcc-13.0.88-py3-none-any.whl"
    compiler = zipfile.ZipInfo("nvidia/cu13/bin/nvcc")
    compiler.external_attr = 0o100755 << 16
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(compiler, "#!/bin/sh\n")
        archive.writestr("nvidia/cu13/lib/libcublas.so.13", "")
        archive.writestr("nvidia/cu13/../../../outside", "")
        archive.writestr("nvidia_cuda_nvcc-13.0.88.dist-info/RECORD", "")
    place = tmp_path / "toolkit"
    toolkit.unpack(wheel, place)
    toolkit.complete(place, log=tmp_path / "log")
    return place


def test_a_toolkit_is_what_a_compiler_expects(tree: Path) -> None:
    assert (tree / "bin" / "nvcc").stat().st_mode & 0o111
    assert (tree / "lib64" / "libcublas.so").resolve() == tree / "lib" / "libcublas.so.13"
    assert sorted(path.name for path in tree.iterdir()) == ["bin", "lib", "lib64"]
    assert not (tree.parent / "outside").exists()


def test_what_stands_for_the_driver_has_no_card(tree: Path) -> None:
    driver = ctypes.CDLL(str(tree / toolkit.NO_CARD / "libcuda.so.1"))
    version, said, function = ctypes.c_int(), ctypes.c_char_p(), ctypes.c_void_p()
    assert driver.cuDriverGetVersion(ctypes.byref(version)) == 0
    assert version.value == 13000
    assert driver.cuInit(0) == NO_DEVICE
    assert driver.cuMemCreate(None, 0, None, 0) == NO_DEVICE
    assert driver.cuGetErrorString(NO_DEVICE, ctypes.byref(said)) == 0
    assert said.value == b"no CUDA-capable device is detected"
    asked = (b"cuDeviceGetCount", ctypes.byref(function), 13000, ctypes.c_uint64(0), None)
    assert driver.cuGetProcAddress_v2(*asked) == 0
    assert ctypes.CFUNCTYPE(ctypes.c_int)(function.value or 0)() == NO_DEVICE


def test_a_toolkit_is_made_again_for_another_lock(tmp_path: Path) -> None:
    lock = tmp_path / "cuda.txt"
    lock.write_text("one")
    before = toolkit.made_of(lock)
    assert before == toolkit.made_of(lock)
    lock.write_text("two")
    assert before != toolkit.made_of(lock)


def test_without_a_toolkit_one_is_told_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(HouseError, match="run make cuda-wheel first"):
        toolkit.libraries_of(tmp_path)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A build as CMake leaves it, of a library for each of llama.cpp's."""
    place = tmp_path / "0.3.36-sm_90"
    (place / "bin").mkdir(parents=True)
    code = tmp_path / "code.c"
    code.write_text("static int unseen(void) { return 7; }\nint seen(void) { return unseen(); }\n")
    for name in (*LIBRARIES, "llama-common"):
        target = place / "bin" / f"lib{name}.so"
        compiler = [native.compiler(), "-x", "c", "-shared", "-fPIC", "-g", "-O0"]
        subprocess.run([*compiler, "-o", target, code], check=True)
    (place / "bin" / SERVER).write_bytes((place / "bin" / "libllama.so").read_bytes())
    return place


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The part of llama-cpp-python's source that a wheel is made from."""
    source = tmp_path / "llama_cpp_python-0.3.36"
    (source / "llama_cpp" / "server").mkdir(parents=True)
    (source / "llama_cpp" / "__init__.py").write_text('__version__ = "0.3.36"\n')
    (source / "llama_cpp" / "server" / "app.py").touch()
    (source / "PKG-INFO").write_text(
        "Metadata-Version: 2.1\nName: llama_cpp_python\nVersion: 0.3.36\n"
    )
    return source


def packed(place: Path, source: Path) -> Built:
    python = setup.apart("wheels") / "bin" / "python"
    log = place.with_name("log")
    return pack.pack(source, place, "sm_90", platform.machine(), python, log=log)


def test_a_wheel_holds_each_library_once_and_stripped(place: Path, source: Path) -> None:
    built = packed(place, source)
    tag = f"py3-none-linux_{platform.machine()}"
    assert built.wheel.name == f"llama_cpp_python-0.3.36-1_cuda_sm_90-{tag}.whl"
    with zipfile.ZipFile(built.wheel) as archive:
        names = archive.namelist()
        small = archive.getinfo("llama_cpp/lib/libllama.so").file_size
    libraries = [name for name in names if ".so" in name]
    assert sorted(libraries) == sorted(f"llama_cpp/lib/lib{name}.so" for name in LIBRARIES)
    assert small < (place / "bin" / "libllama.so").stat().st_size
    assert "llama_cpp/__init__.py" in names
    assert "llama_cpp/server/app.py" not in names  # its web server, which wants FastAPI
    assert "llama_cpp_python-0.3.36.dist-info/RECORD" in names
    server = {path.name for path in built.server.iterdir()}
    assert server == {SERVER, "libllama-common.so"}
    assert pack.packed(place) == built


def test_a_build_that_lacks_a_library_is_not_packed(place: Path, source: Path) -> None:
    (place / "bin" / "libggml-cuda.so").unlink()
    with pytest.raises(HouseError, match=r"left no libggml-cuda\.so"):
        packed(place, source)
    with pytest.raises(HouseError, match="remove it, and run this again"):
        pack.packed(place)


def test_a_kit_is_for_one_machine_and_can_travel(
    place: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = packed(place, source)
    facts = kit.Facts("sm_90", "3.12", "x86_64")
    lock = ROOT / "requirements" / "dev.txt"
    asked = tmp_path / "asked"
    pip = ["/bin/bash", "-c", f'echo "$@" > {asked}; cp "${{@: -1}}" {asked}.txt', "pip"]
    size = kit.fill(tmp_path / "kit", facts, built, lock, pip, log=tmp_path / "log")
    assert size == sum(path.stat().st_size for path in (tmp_path / "kit").iterdir())
    with tarfile.open(tmp_path / "kit" / "packages.tar.xz") as archive:
        names = archive.getnames()
        assert archive.getmember("server/llama-server").mode & 0o111
    assert {"llama_cpp/__init__.py", "llama_cpp/lib/libggml-cuda.so"} <= set(names)
    assert json.loads((tmp_path / "kit" / "kit.json").read_text()) == {
        "architecture": "sm_90",
        "python": "3.12",
        "machine": "x86_64",
    }
    assert {path.name for path in (tmp_path / "kit").iterdir()} == {"kit.json", "packages.tar.xz"}
    command = asked.read_text()
    for part in ("--python-version=3.12", "--platform=manylinux_2_28_x86_64", "--require-hashes"):
        assert part in command
    assert [pin.name for pin in read_pins(Path(f"{asked}.txt"))] == sorted(kit.NEEDED)
    assert ";" not in Path(f"{asked}.txt").read_text()
    monkeypatch.setattr(kit, "MOST_MIB", 0)
    with pytest.raises(HouseError, match=r"and 0 can travel"):
        kit.fill(tmp_path / "kit", facts, built, lock, pip, log=tmp_path / "log")


def test_a_kit_has_the_versions_for_its_own_python() -> None:
    pins = read_pins(ROOT / "requirements" / "dev.txt")
    (older,) = (pin for pin in kit.wanted(pins, "3.11") if pin.name == "numpy")
    (newer,) = (pin for pin in kit.wanted(pins, "3.12") if pin.name == "numpy")
    assert older.version != newer.version
    elsewhere = replace(newer, marker="sys_platform == 'win32'")
    with pytest.raises(HouseError, match="which a kit cannot tell"):
        kit.wanted([elsewhere], "3.12")
    with pytest.raises(HouseError, match="The lock has no anyio"):
        kit.wanted([newer], "3.12")
