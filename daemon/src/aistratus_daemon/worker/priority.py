"""The engine goes first.

Without a GPU, llama.cpp computes with every core, and its threads wait for each other many times
a token: one that loses its core for a moment holds up all of them. What is around the engine
mostly waits, and has the gaps that the engine leaves.
"""

import os
import time
from pathlib import Path
from typing import Final

# Each step is a factor of 1.25 (sched(7)): where it must, this gets a tenth of the engine's time.
NICENESS: Final = 10
# Linux may weigh sessions against each other, and then a process only within its own.
_SESSION: Final = Path("/proc/self/autogroup")
# The kernel takes such a change ten times a second, from all users but root together.
_TRIES: Final = 10
_PAUSE_SECONDS: Final = 0.1


def give_way() -> None:
    """Run behind the engine from now on, with all that this process starts."""
    os.nice(max(0, NICENESS - os.nice(0)))
    if os.getsid(0) != os.getpid():
        return  # the session is somebody else's too
    for _ in range(_TRIES):
        try:
            _SESSION.write_text(str(NICENESS))
        except BlockingIOError:
            time.sleep(_PAUSE_SECONDS)
        except OSError:
            return  # this kernel does not do so, or lets nobody say so
        else:
            return
