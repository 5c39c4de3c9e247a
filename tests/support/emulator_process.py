"""The emulator that `make demo` starts, in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from aistratus_local import provision
from aistratus_local.access_key import KEYS_VARIABLE, AccessKey

# The keys that the tests' emulators accept: the first is what `client` uses.
KEY: Final = AccessKey("AKIAIOSFODNN7TESTS00", "tests")
ACCEPTED: Final = (KEY.access_key_id, "test", "testing")


def client(service: str, emulator_url: str) -> Any:
    """A boto3 client for a test's emulator."""
    return provision.client(service, emulator_url, KEY)


def aws_environment(emulator_url: str) -> dict[str, str]:
    """AWS's variables for a process that talks to a test's emulator."""
    return provision.aws_environment(emulator_url, KEY)


@contextmanager
def running_emulator_process(host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Run an emulator for the length of a block; yields its address."""
    with subprocess.Popen(
        [sys.executable, "-m", "aistratus_local.emulator", "--host", host, "--port", str(port)],
        env={**os.environ, KEYS_VARIABLE: ",".join(ACCEPTED)},
        stdout=subprocess.PIPE,
        text=True,
    ) as emulator:
        try:
            assert emulator.stdout is not None
            yield emulator.stdout.readline().removeprefix("ready ").strip()
        finally:
            emulator.terminate()
