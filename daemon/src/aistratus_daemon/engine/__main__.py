"""`python -m aistratus_daemon.engine`: the service with the model and no network."""

import logging
import signal
import sys
import time

from aistratus_daemon.engine.llama import Llama
from aistratus_daemon.engine.model_file import verify
from aistratus_daemon.engine.server import EngineServer
from aistratus_daemon.engine.settings import read_settings
from aistratus_daemon.environment import Environment
from aistratus_daemon.errors import ModelError, SettingsError
from aistratus_daemon.logs import start_logging
from aistratus_daemon.notify import Watchdog, connect

log = logging.getLogger("engine")


def main() -> int:
    """Run until SIGTERM or SIGINT; 2 for bad settings, 3 for a model that cannot be used."""
    start_logging()
    notifier = connect()
    began = time.monotonic()
    try:
        settings = read_settings(Environment())
        verify(settings.model_file, settings.model_sha256)
        llama = Llama(settings)
        # Without a template no prompt can be made: better to say so now than at the first job.
        _ = llama.vocabulary.template
    except SettingsError as error:
        log.error("%s", error)
        return 2
    except ModelError as error:
        log.error("%s", error)
        return 3
    server = EngineServer(llama, settings, Watchdog(notifier))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    with server.listen() as listener:
        log.info(
            "Ready after %.2f s: %d slots of %d tokens.",
            time.monotonic() - began,
            llama.slots,
            llama.context,
        )
        notifier("READY=1")
        server.run(listener)
    notifier("STOPPING=1")
    settings.socket.unlink(missing_ok=True)
    llama.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
