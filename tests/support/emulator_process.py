"""The emulator that `make demo` starts, in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def running_emulator_process(host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Its address, for the length of a block."""
    with subprocess.Popen(
        [sys.executable, "-m", "aistratus_local.emulator", "--host", host, "--port", str(port)],
        stdout=subprocess.PIPE,
        text=True,
    ) as emulator:
        try:
            assert emulator.stdout is not None
            yield emulator.stdout.readline().removeprefix("ready ").strip()
        finally:
            emulator.terminate()
