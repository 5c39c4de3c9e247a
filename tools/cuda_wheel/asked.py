"""What the two commands take; checked before anything is fetched."""

import argparse
import re
from collections.abc import Mapping
from typing import Final

from housekeeping.errors import HouseError

ARCHITECTURES: Final = ("sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120")
"""NVIDIA's names of what CUDA 13 compiles for: T4, A100, A10, L4, H100 and H200, B200, RTX 50."""

BENCH_PYTHON: Final = "3.12"
"""The Python of GPU machines as they come: Ubuntu 24.04's."""

_PYTHON: Final = re.compile(r"3\.\d\d")


def architecture_of(environ: Mapping[str, str]) -> str:
    """The architecture in ARCH; raises `HouseError`."""
    architecture = environ.get("ARCH", "")
    if architecture not in ARCHITECTURES:
        raise HouseError(
            f"Kernels are compiled for a kind of card, and {architecture!r} is none. Say ARCH= one "
            f"of: {', '.join(ARCHITECTURES)} (T4, A100, A10, L4, H100 and H200, B200, RTX 50)."
        )
    return architecture


def parser() -> argparse.ArgumentParser:
    """The options of `make bench-gpu-kit`."""
    made = argparse.ArgumentParser(prog="bench-gpu-kit", description=__doc__)
    made.add_argument(
        "--python",
        type=_python,
        default=BENCH_PYTHON,
        help=f"the Python of the machine with the card ({BENCH_PYTHON})",
    )
    return made


def _python(text: str) -> str:
    if not _PYTHON.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no Python: write it as {BENCH_PYTHON}")
    return text
