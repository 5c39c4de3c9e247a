"""Runs a stranger's program, a form or a chat template, where it does no harm."""

import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, Final

# A trial's own CPU time. An ordinary schema of 2 KB takes some 10 ms.
CPU_SECONDS: Final = 0.5
# After this time a trial counts as stuck, however busy the machine is.
WALL_SECONDS: Final = 5.0
MEMORY_BYTES: Final = 256 * 1024 * 1024


def apart(work: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """Run `work` in a child with limits; returns its answer, or None if none comes."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        # Whatever happens, the child must not go on as a second engine.
        try:
            os.close(reading)
            _limit()
            with os.fdopen(writing, "wb") as answers:
                answers.write(json.dumps(work()).encode() + b"\n")
        finally:
            os._exit(0)
    os.close(writing)
    try:
        return _heard(reading)
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _limit() -> None:
    for number in (signal.SIGPROF, signal.SIGABRT, signal.SIGSEGV):
        signal.signal(number, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - a child wants few calls
        pages = int(file.read().split()[0])
    most = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    # A dying child's last words interest nobody, and may show the caller's text.
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, sys.stderr.fileno())


def _heard(reading: int) -> dict[str, Any] | None:
    deadline = time.monotonic() + WALL_SECONDS
    heard = bytearray()
    while not heard.endswith(b"\n"):
        ready, _, _ = select.select([reading], [], [], max(0.0, deadline - time.monotonic()))
        chunk = os.read(reading, 1 << 16) if ready else b""
        if not chunk:
            return None
        heard += chunk
    answer: dict[str, Any] = json.loads(heard)
    return answer
