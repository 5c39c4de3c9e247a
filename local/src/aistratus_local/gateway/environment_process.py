"""The processes that a function runs in: a parent that has it loaded, and its forks.

`python -m aistratus_local.gateway.environment_process MODULE.FUNCTION` imports the function, then
forks a child for each requested execution environment: a cold start takes milliseconds, and no
child shares a thread, a lock or a connection with another.

The control socket is standard input: each request is one byte plus the descriptor of the new
environment's own socket, and the answer is the child's pid. An environment reads one frame at a
time from its socket: four bytes of length, then JSON.
"""

import ctypes
import importlib
import json
import os
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

Handler = Callable[[dict[str, Any], "Context"], Any]
LENGTH: Final = struct.Struct(">I")
PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class Context:
    """What Lambda tells a function about this call."""

    aws_request_id: str
    function_name: str
    deadline: float
    function_version: str = "$LATEST"
    memory_limit_in_mb: int = 512

    @property
    def invoked_function_arn(self) -> str:
        """The function's name as AWS writes it."""
        return (
            f"arn:aws:lambda:{os.environ['AWS_REGION']}:000000000000:function:{self.function_name}"
        )

    @property
    def log_group_name(self) -> str:
        """The log group that its lines would go to."""
        return f"/aws/lambda/{self.function_name}"

    @property
    def log_stream_name(self) -> str:
        """The log stream, which identifies this environment."""
        return f"local/{os.getpid()}"

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the call times out."""
        return max(0, int((self.deadline - time.time()) * 1000))


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends (Linux)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def read_exactly(connection: socket.socket, count: int) -> bytes:
    """Read `count` bytes; returns b"" at the connection's end."""
    parts = bytearray()
    while len(parts) < count:
        part = connection.recv(count - len(parts))
        if not part:
            return b""
        parts += part
    return bytes(parts)


def serve(connection: socket.socket, handler: Handler, function_name: str) -> None:
    """Answer one event at a time until the connection closes."""
    while head := read_exactly(connection, LENGTH.size):
        asked = json.loads(read_exactly(connection, *LENGTH.unpack(head)))
        context = Context(asked["request_id"], function_name, asked["deadline"])
        try:
            answer = {"result": handler(asked["event"], context)}
            sent = json.dumps(answer).encode()
        except Exception as error:  # noqa: BLE001  # a function may fail in any way it likes
            traceback.print_exc()
            sent = json.dumps({"error": type(error).__name__}).encode()
        connection.sendall(LENGTH.pack(len(sent)) + sent)


def main() -> int:
    """Load the function, then fork on demand until the gateway ends."""
    die_with_parent()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # Children are not waited for: the gateway sees their sockets close.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    module_name, _, name = sys.argv[1].rpartition(".")
    handler: Handler = getattr(importlib.import_module(module_name), name)
    function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
    control = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    control.sendall(b"ready")
    while True:
        asked, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not asked:
            return 0
        connection = socket.socket(fileno=descriptors[0])
        child = os.fork()
        if child == 0:
            die_with_parent()
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            serve(connection, handler, function_name)
            # Without cleanup: the parent's exit handlers must not run in a child.
            sys.stderr.flush()
            os._exit(0)
        connection.close()
        control.sendall(struct.pack(">Q", child))


if __name__ == "__main__":
    sys.exit(main())
