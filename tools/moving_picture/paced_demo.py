"""`python -m moving_picture.paced_demo demo`: the demo, with its model at a larger one's pace.

The stand-in model gives more than a thousand tokens a second: nobody could see the answer grow.
The engine pauses after each step, as in the soak; everything else is the demo as it is.
"""

import os
import sys
from dataclasses import replace
from typing import Final

from aistratus_local.processes import Part
from aistratus_local.stack import Stack
from aistratus_operator.program import main as operate
from system.faults import paced_engine

STEP_VARIABLE: Final = "AISTRATUS_STEP_SECONDS"


def main() -> int:
    """Run the demo; returns the exit code."""
    ordinary = Stack._engine

    def paced(self: Stack) -> Part:
        part = ordinary(self)
        pace = {STEP_VARIABLE: os.environ[STEP_VARIABLE]}
        return replace(
            part,
            arguments=(sys.executable, paced_engine.__file__),
            environment={**part.environment, **pace},
        )

    Stack._engine = paced  # type: ignore[method-assign]
    return operate()


if __name__ == "__main__":
    sys.exit(main())
