"""A real worker in a process of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.cloud import Cloud

STOP_SECONDS = 20.0


@dataclass
class WorkerProcess:
    """A running worker and its log."""

    process: subprocess.Popen[str]
    log_file: Path

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_file.read_text().splitlines()]


@contextmanager
def running_worker(
    cloud: Cloud,
    engine_socket: Path,
    folder: Path,
    *,
    worker_id: str = "",
    imds_url: str = "",
    module: str = "aistratus_daemon.worker",
    **more: str,
) -> Iterator[WorkerProcess]:
    """A worker for the length of a block; always ended. Without an id it makes one up.

    Without an `imds_url` it is not on EC2. `more` goes into its environment. `module` is the
    program, if not this release's worker.
    """
    log_file = folder / f"worker-{len(list(folder.glob('worker-*')))}.log"
    environment = {
        **os.environ,
        **cloud.environment(),
        "AISTRATUS_ENGINE_SOCKET": str(engine_socket),
        "AISTRATUS_WORKER_ID": worker_id,
        "AWS_EC2_METADATA_DISABLED": str(not imds_url).lower(),
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": imds_url,
        **more,
    }
    with log_file.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            env=environment,
            stderr=log,
            text=True,
        )
        worker = WorkerProcess(process, log_file)
        try:
            yield worker
        finally:
            # Gently first: a poll that is cut off would still take a message.
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(STOP_SECONDS)
            finally:
                worker.kill()
