"""The emulator that `make demo` starts, in a process of its own, on a free port."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def running_emulator_process() -> Iterator[str]:
    """Its address, for the length of a block."""
    with subprocess.Popen(
        [sys.executable, "-m", "aistratus_local.emulator", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    ) as emulator:
        try:
            assert emulator.stdout is not None
            yield emulator.stdout.readline().removeprefix("ready ").strip()
        finally:
            emulator.terminate()
