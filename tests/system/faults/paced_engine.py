"""`-m system.faults.paced_engine`: the engine with the stand-in model at a larger model's pace.

The stand-in gives some thousand tokens a second, so its answers are over before anything can
happen to them. Here each step that computes is followed by a pause of AISTRATUS_STEP_SECONDS.
Everything else is the engine as it is.
"""

import os
import sys
import time

from aistratus_daemon.engine.__main__ import main
from aistratus_daemon.engine.scheduler import Scheduler


def slow_down(seconds: float) -> None:
    """Give every step of the scheduler its pause."""
    step = Scheduler.step

    def paced_step(self: Scheduler) -> None:
        step(self)
        if not self.is_idle:
            time.sleep(seconds)

    Scheduler.step = paced_step  # type: ignore[method-assign]


if __name__ == "__main__":
    slow_down(float(os.environ["AISTRATUS_STEP_SECONDS"]))
    sys.exit(main())
