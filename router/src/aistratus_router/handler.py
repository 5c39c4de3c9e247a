"""The Lambda entry of the API: `aistratus_router.handler.handler`.

Importing it is the function's start: settings are read and clients made, in Lambda's init phase,
and nothing is connected to yet. One environment answers one event at a time.
"""

import os
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from aistratus_router.app import build_app
from aistratus_router.ports import Ports

_app = build_app(Ports.from_environment(os.environ))


def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one API Gateway v2 (HTTP API) event."""
    return _app(event, context)
