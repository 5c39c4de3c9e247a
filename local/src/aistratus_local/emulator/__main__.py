"""`python -m aistratus_local.emulator --port 8553`: AWS on loopback until SIGTERM.

It answers callers with one of the comma-separated access key ids in AISTRATUS_EMULATOR_KEYS.
"""

import argparse
import os
import signal
import sys
import threading

from aistratus_local.access_key import KEYS_VARIABLE
from aistratus_local.emulator.server import EmulatorServer


def main() -> int:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="aistratus_local.emulator")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8553, help="0 takes a free port")
    chosen = parser.parse_args()
    keys = [key for key in os.environ.pop(KEYS_VARIABLE, "").split(",") if key]
    if not keys:
        sys.stderr.write(f"{KEYS_VARIABLE} is not set; give it an access key id to answer to.\n")
        return 2
    with EmulatorServer(chosen.host, chosen.port, keys) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            # shutdown() waits for the loop, which runs in this thread.
            signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
        sys.stdout.write(f"ready {server.url}\n")
        sys.stdout.flush()
        server.serve_forever(0.1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
