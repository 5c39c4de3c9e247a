"""`python -m aistratus_local interrupt`: takes the running demo's instance away, as Spot does.

The worker sees the notice within five seconds, drains, gives its messages back and exits. It is
restarted as the next instance's worker, and the answers in progress continue.
"""

import sys
from collections.abc import Sequence
from typing import Final

from aistratus_local.console import Console
from aistratus_local.endings import Ending, end_instance
from aistratus_local.errors import LocalError, Usage
from aistratus_local.options import read_options
from aistratus_local.state import find_running, state_folder

_SAID: Final = {
    Ending.SPOT: "The instance has a Spot notice: two minutes",
    Ending.REBALANCE: "EC2 recommends to leave the instance",
    Ending.TERMINATION: "Auto Scaling terminates the instance",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Interrupt; returns the exit code."""
    console = Console(sys.stdout)
    try:
        options = read_options("interrupt", sys.argv[1:] if arguments is None else arguments)
        found = find_running(state_folder(options.ports.gateway))
        if found is None:
            console.say("No demo runs here with these ports. Start one first: make demo")
            return 1
        end_instance(found.imds_url, options.ending)
    except LocalError as error:
        console.say(str(error))
        return 2 if isinstance(error, Usage) else 1
    console.say(
        f"{_SAID[options.ending]}. Its worker looks every 5 s, gives back what it holds and "
        "leaves; the next instance's goes on with it."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
