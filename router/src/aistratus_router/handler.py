"""The Lambda entry of the API: `aistratus_router.handler.handler`.

Importing it is the function's start: settings are read and clients made, in Lambda's init phase,
and nothing is connected to yet. One environment answers one event at a time.
"""

import gc

# Imports make no garbage: looking for it takes a tenth of the start.
gc.disable()

import os  # noqa: E402
from collections.abc import Mapping  # noqa: E402
from typing import Any  # noqa: E402

from aws_lambda_powertools.utilities.typing import LambdaContext  # noqa: E402

from aistratus_router.app import build_app  # noqa: E402
from aistratus_router.ports import Ports  # noqa: E402

_app = build_app(Ports.from_environment(os.environ))

# What is there now stays: later collections need not look at it.
gc.freeze()
gc.enable()


def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one API Gateway v2 (HTTP API) event."""
    return _app(event, context)
