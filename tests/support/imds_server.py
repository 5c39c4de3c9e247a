"""The local system's metadata service, in a thread."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from aistratus_local.imds import ImdsServer


@contextmanager
def running_imds() -> Iterator[ImdsServer]:
    """Serve it on a free port, for the length of a block."""
    with ImdsServer(0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
