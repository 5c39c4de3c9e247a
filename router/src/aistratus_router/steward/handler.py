"""The steward's Lambda entry point: `aistratus_router.steward.handler.handler`.

It is called every minute. The steward runs apart from everything that can crash, and finishes what
was left undone: jobs that were never sent, jobs whose message was lost, jobs that should have
stopped, and dead letters. A sweep reserves `RESERVE_SECONDS` of the function's time for its last
call, so give it 60 seconds.
"""

import os
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from aistratus_router.ports import Ports
from aistratus_router.steward.sweep import Sweep

_sweep = Sweep(Ports.from_environment(os.environ))


def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, int]:  # noqa: ARG001
    """One round, on a schedule; the event's content is ignored."""
    return _sweep.run(lambda: context.get_remaining_time_in_millis() / 1000)
