"""`python -m aistratus_daemon.engine`: the service with the model and no network."""

import logging
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import TYPE_CHECKING

from aistratus_daemon.engine.model_file import verify
from aistratus_daemon.engine.settings import EngineSettings, read_settings
from aistratus_daemon.environment import Environment
from aistratus_daemon.errors import ModelError, SettingsError
from aistratus_daemon.logs import start_logging
from aistratus_daemon.notify import READY, STOPPING, Watchdog, connect

if TYPE_CHECKING:
    from aistratus_daemon.engine.server import EngineServer

log = logging.getLogger("engine")


def main() -> int:
    """Run until SIGTERM or SIGINT; 2 for bad settings, 3 for a model that cannot be used."""
    start_logging("engine")
    began = time.monotonic()
    try:
        notifier = connect()
        settings = read_settings(Environment())
        server = _load(settings, Watchdog(notifier))
    except SettingsError as error:
        log.error("%s", error)
        return 2
    except ModelError as error:
        log.error("%s", error)
        return 3
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    with server.listen() as listener:
        log.info(
            "Ready after %.2f s: %d slots of %d tokens.",
            time.monotonic() - began,
            server.llama.slots,
            server.llama.context,
        )
        notifier(READY)
        server.run(listener)
    notifier(STOPPING)
    settings.socket.unlink(missing_ok=True)
    server.llama.close()
    return 0


def _load(settings: EngineSettings, watchdog: Watchdog) -> "EngineServer":
    """The server with its model; llama.cpp's library is loaded while the file is verified."""
    with ThreadPoolExecutor(1, thread_name_prefix="verify") as verifier:
        verified = verifier.submit(verify, settings.model_file, settings.model_sha256)
        engine = import_module("aistratus_daemon.engine.server")
        verified.result()
    return engine.load_server(settings, watchdog)  # type: ignore[no-any-return]


if __name__ == "__main__":
    sys.exit(main())
