"""Takes the running demo's instance away, as Spot does.

The worker sees the notice within five seconds, drains, gives its queue messages back and exits. It
is restarted as the next instance's worker, and the answers in progress continue.
"""

import sys
from typing import Final

from aistratus_local.endings import Ending, end_instance
from aistratus_local.state import find_running, state_folder
from aistratus_operator.errors import OperatorError

_SAID: Final = {
    Ending.SPOT: "The instance has a Spot notice: two minutes",
    Ending.REBALANCE: "EC2 recommends to leave the instance",
    Ending.TERMINATION: "Auto Scaling terminates the instance",
}


def interrupt(ending: Ending, gateway_port: int) -> int:
    """Announce the end of the instance; returns the exit code.

    Raises `OperatorError` if no demo runs with that port, and `LocalError` if it does not answer.
    """
    found = find_running(state_folder(gateway_port))
    if found is None:
        raise OperatorError("No demo runs here with these ports. Start one first: make demo")
    end_instance(found.imds_url, ending)
    sys.stdout.write(
        f"{_SAID[ending]}. Its worker looks every 5 s, gives its queue messages back and exits; "
        "the next instance's worker continues the answers.\n"
    )
    return 0
