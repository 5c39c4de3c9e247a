"""`python -m aistratus_daemon.engine`: the service with the model and no network."""

import logging
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from aistratus_daemon.engine.model_file import verify
from aistratus_daemon.engine.refusal import Refusal
from aistratus_daemon.engine.settings import EngineSettings, Switch, read_settings
from aistratus_daemon.environment import Environment
from aistratus_daemon.errors import DeviceError, ModelError, SettingsError
from aistratus_daemon.logs import start_logging
from aistratus_daemon.notify import READY, STOPPING, Watchdog, connect

if TYPE_CHECKING:
    from aistratus_daemon.engine.server import EngineServer

log = logging.getLogger("engine")


def main() -> int:
    """Run until SIGTERM or SIGINT.

    2 for bad settings, 3 for a model that cannot be used, 4 for a machine that cannot compute it.
    """
    start_logging("engine")
    began = time.monotonic()
    try:
        notifier = connect()
        settings = read_settings(Environment())
        refusal = Refusal(settings.refusal_file)
        server = _load(settings, Watchdog(notifier))
    except SettingsError as error:
        log.error("%s", error)
        return 2
    except ModelError as error:
        log.error("%s", error)
        return 3
    except DeviceError as error:
        log.error("%s", error)
        refusal.write(str(error))
        return 4
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    with server.listen() as listener:
        log.info(
            "Ready after %.2f s: %d slots of %d tokens.",
            time.monotonic() - began,
            server.llama.slots,
            server.llama.context,
        )
        refusal.withdraw()
        notifier(READY)
        server.run(listener)
    notifier(STOPPING)
    settings.socket.unlink(missing_ok=True)
    server.llama.close()
    return 0


def _load(settings: EngineSettings, watchdog: Watchdog) -> "EngineServer":
    """The server with its model; llama.cpp's library is loaded while the file is verified."""
    is_given_up = threading.Event()
    with ThreadPoolExecutor(1, thread_name_prefix="verify") as verifier:
        verified = verifier.submit(
            verify, settings.model_file, settings.model_sha256, is_given_up.is_set
        )
        try:
            engine = _llama_server(settings)
        except DeviceError:
            is_given_up.set()
            raise
        verified.result()
    return engine.load_server(settings, watchdog)  # type: ignore[no-any-return]


def _llama_server(settings: EngineSettings) -> ModuleType:
    """The module that needs llama.cpp, on a machine that has what the settings ask for."""
    try:
        engine = import_module("aistratus_daemon.engine.server")
        if settings.gpu is Switch.ON:
            import_module("aistratus_daemon.engine.card").require(settings.model_file)
    except RuntimeError as error:
        # llama-cpp-python's words for a library that the linker does not load.
        raise DeviceError(
            f"llama.cpp cannot be loaded ({error}); install the library that it names, or this "
            "release again."
        ) from error
    return engine


if __name__ == "__main__":
    sys.exit(main())
