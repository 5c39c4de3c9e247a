"""`make cuda-wheel` and `make bench-gpu-kit`. They need a network, a C++ compiler and no card."""

import os
import platform
import shutil
from collections.abc import Sequence

from cuda_wheel import kit, recipe
from cuda_wheel.asked import architecture_of, parser
from cuda_wheel.pack import Built
from housekeeping import ROOT, setup
from housekeeping.console import say
from housekeeping.store import sha256

LOG = ROOT / "build" / "cuda-wheel.log"
KIT = ROOT / "build" / "gpu-kit"


def build() -> None:
    """Compiles the wheel for ARCH into dist; raises `HouseError`."""
    built = _built(architecture_of(os.environ))
    target = ROOT / "dist" / built.wheel.name
    target.parent.mkdir(exist_ok=True)
    shutil.copy(built.wheel, target)
    size = target.stat().st_size / 2**20
    say(f"{sha256(target)}  {target.relative_to(ROOT)} ({size:.1f} MiB)")


def fill_kit(words: Sequence[str]) -> None:
    """Fills build/gpu-kit for ARCH and the Python of the machine; raises `HouseError`."""
    options = parser().parse_args(words)
    architecture = architecture_of(os.environ)
    built = _built(architecture)
    pip = [str(setup.apart("wheels") / "bin" / "python"), "-m", "pip"]
    facts = kit.Facts(architecture, options.python, platform.machine())
    size = kit.fill(KIT, facts, built, ROOT / "requirements" / "dev.txt", pip, log=LOG)
    say(
        f"{KIT.relative_to(ROOT)}: {size / 2**20:.1f} MiB, for {architecture} and Python "
        f"{options.python}. Take it to the machine with the card, in this repository, and run "
        "make bench-gpu there."
    )


def _built(architecture: str) -> Built:
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_text("", encoding="utf-8")
    return recipe.build(architecture, log=LOG)
