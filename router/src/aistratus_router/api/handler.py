"""The API's Lambda entry point: `aistratus_router.api.handler.handler`.

Importing it starts the function: in Lambda's init phase it reads the settings and creates the
clients, without connecting yet. One environment answers one event at a time.
"""

import gc

# Imports make no garbage, and looking for it takes a tenth of the start.
gc.disable()

import os  # noqa: E402
from collections.abc import Mapping  # noqa: E402
from typing import Any  # noqa: E402

from aws_lambda_powertools.utilities.typing import LambdaContext  # noqa: E402

from aistratus_router.api.app import build_app  # noqa: E402
from aistratus_router.ports import Ports  # noqa: E402

_app = build_app(Ports.from_environment(os.environ))

# All objects made so far stay, so later collections need not look at them.
gc.freeze()
gc.enable()


def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one API Gateway v2 (HTTP API) event."""
    return _app(event, context)
