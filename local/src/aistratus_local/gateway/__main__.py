"""`python -m aistratus_local.gateway --port 8551 --issuer … --client-id …` until SIGTERM."""

import argparse
import asyncio
import logging
import os
import socket
import sys
from typing import Final

import uvicorn

from aistratus_contracts.registry import Scope
from aistratus_local.gateway.api import Api, Cors, every
from aistratus_local.gateway.authorizer import Authorizer, KeySource
from aistratus_local.gateway.function import (
    ENVIRONMENTS_PER_USER,
    MAX_ENVIRONMENTS,
    WAITING_PER_USER,
    Function,
)
from aistratus_local.visitors import Visitors, at_port
from aistratus_router.user_limits import VARIABLES

STEWARD_PERIOD_SECONDS: Final = 60.0
WARM_ENVIRONMENTS: Final = 2
HELD_POLLS: Final = MAX_ENVIRONMENTS * 3 // 4
READERS_VARIABLE: Final = VARIABLES["readers"][0]
_SCHEDULED_EVENT: Final[dict[str, object]] = {
    "version": "0",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "detail": {},
}


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            sys.stdout.write(f"ready http://127.0.0.1:{self.config.port}\n")
            sys.stdout.flush()


async def run(options: argparse.Namespace) -> int:
    """Serve until a signal arrives."""
    # Fewer held polls than environments, to leave room for prompts.
    variables = {READERS_VARIABLE: str(HELD_POLLS), **os.environ}
    router = Function(
        "aistratus-router",
        options.function,
        variables,
        environments_per_user=options.environments_per_user,
        waiting_per_user=options.waiting_per_user,
    )
    steward = Function("aistratus-steward", options.steward, variables)
    keys = KeySource(options.issuer)
    authorizer = Authorizer(keys, options.issuer, [options.client_id], [s.value for s in Scope])
    visitors = Visitors("API", at_port(options.port), frozenset(options.allow_origin))
    api = Api(router, authorizer, Cors(options.allow_origin), visitors)
    config = uvicorn.Config(
        api.app(),
        host="127.0.0.1",
        port=options.port,
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_keep_alive=75,
        # A held poll ends with its client or after 20 s; shutdown does not wait for it.
        timeout_graceful_shutdown=1,
    )
    try:
        await router.start(WARM_ENVIRONMENTS)
        schedule = asyncio.create_task(every(STEWARD_PERIOD_SECONDS, steward, _SCHEDULED_EVENT))
        await _Server(config).serve()
        schedule.cancel()
    finally:
        await router.stop()
        await steward.stop()
        await keys.close()
    return 0


def main() -> int:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="aistratus_local.gateway")
    parser.add_argument("--port", type=int, default=8551)
    parser.add_argument("--issuer", required=True)
    parser.add_argument("--client-id", required=True)
    parser.add_argument("--allow-origin", action="append", default=[])
    parser.add_argument("--environments-per-user", type=int, default=ENVIRONMENTS_PER_USER)
    parser.add_argument("--waiting-per-user", type=int, default=WAITING_PER_USER)
    parser.add_argument("--function", default="aistratus_router.api.handler.handler")
    parser.add_argument("--steward", default="aistratus_router.steward.handler.handler")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    # httpx logs every URL at INFO, and URLs are private.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return asyncio.run(run(options))


if __name__ == "__main__":
    sys.exit(main())
