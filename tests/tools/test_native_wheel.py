"""A wheel for releases is compiled for its processor and an older glibc, and named for both."""

import platform
import subprocess
import zipfile
from pathlib import Path

import pytest

from housekeeping import released, setup
from housekeeping.errors import HouseError
from native_wheel import recipe
from native_wheel.recipe import RECIPES, _Bench, _compilers, _tag

INFO = "llama_cpp_python-0.3.36.dist-info"
# A macro that the compiler defines if it may use what the processor has, and one that it must not.
MACROS = {
    "x86-64-v3": ("__AVX2__", "__AVX512F__"),
    "x86-64-v2": ("__SSE4_2__", "__AVX__"),
    "arm64": ("__ARM_FEATURE_DOTPROD", "__ARM_FEATURE_SVE"),
}
CODE = """\
#include <math.h>
#ifndef {has}
#error the processor has it
#endif
#ifdef {lacks}
#error the processor need not have it
#endif
const char *llama_print_system_info(void) {{ return "{has}"; }}
double power(double base) {{ return pow(base, base); }}
"""


def bench(processor: str, scratch: Path) -> _Bench:
    return _Bench(processor, setup.apart("wheels"), scratch, scratch / "build.log")


def built(tools: _Bench, library: bytes) -> Path:
    """What pip would have built: a wheel with that library."""
    wheel = tools.scratch / f"llama_cpp_python-0.3.36-py3-none-linux_{tools.machine}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("llama_cpp/lib/libllama.so", library)
        archive.writestr(
            f"{INFO}/METADATA", "Metadata-Version: 2.1\nName: llama_cpp_python\nVersion: 0.3.36\n"
        )
        archive.writestr(
            f"{INFO}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\n"
            f"Tag: py3-none-linux_{tools.machine}\n",
        )
        archive.writestr(f"{INFO}/RECORD", "llama_cpp/lib/libllama.so,,\n")
    return wheel


@pytest.mark.parametrize("processor", RECIPES)
def test_a_wheel_is_compiled_and_named_for_its_processor(processor: str, tmp_path: Path) -> None:
    tools = bench(processor, tmp_path)
    compilers = _compilers(tools, RECIPES[processor].cpu)
    has, lacks = MACROS[processor]
    source, library = tmp_path / "code.c", tmp_path / "libllama.so"
    source.write_text(CODE.format(has=has, lacks=lacks), encoding="ascii")
    command = [str(compilers / "cc"), "-O3", "-shared", "-fPIC", "-o", str(library), str(source)]
    subprocess.run([*command, "-lm"], check=True)

    wheel = _tag(tools, built(tools, library.read_bytes()))
    named = released.wheel_of(wheel.name, "a" * 64)
    assert (named.processor, named.version) == (processor, "0.3.36")
    assert named.glibc == recipe.GLIBC
    assert wheel.name.endswith(f"_{tools.machine}.whl")
    if released.PROCESSORS[processor][1] <= released.processor_flags():
        assert recipe.system_info(wheel) == has


def test_what_needs_a_newer_glibc_is_refused(tmp_path: Path) -> None:
    processor = next(
        name for name, (machine, _) in released.PROCESSORS.items() if machine == platform.machine()
    )
    tools = bench(processor, tmp_path)
    source, library = tmp_path / "code.c", tmp_path / "libllama.so"
    source.write_text(
        "#include <unistd.h>\nint id(void) { return (int)gettid(); }\n", encoding="ascii"
    )
    zig = [str(tools.tools / "bin" / "python"), "-m", "ziglang", "cc", "-D_GNU_SOURCE", "-O3"]
    zig += ["-target", f"{tools.machine}-linux-gnu.2.34", "-shared", "-fPIC"]
    subprocess.run([*zig, "-o", str(library), str(source)], check=True)
    with pytest.raises(HouseError, match=r"needs a newer glibc than 2\.28"):
        _tag(tools, built(tools, library.read_bytes()))
