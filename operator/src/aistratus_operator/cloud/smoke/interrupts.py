"""Ctrl-C and the end of the time, so that the removal always comes."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Final

BREAK_OFF_SECONDS: Final = 60.0


@dataclass
class Signals:
    """Why the run was interrupted, and whether it is removing things by now."""

    why: str = "It was stopped with Ctrl-C."
    is_removing: bool = False
    _told: bool = False

    def handle(self, number: int, _frame: object) -> None:
        """Interrupt the run; while things are removed, only the second signal does."""
        if self.is_removing and not self._told:
            self._told = True
            with suppress(OSError):  # the terminal is gone
                os.write(2, b"\nEverything is being removed. Ctrl-C again leaves what is there.\n")
            return
        if number != signal.SIGINT and not self.why.startswith("Its time"):
            self.why = f"It was stopped by {signal.Signals(number).name}."
        raise KeyboardInterrupt


@contextmanager
def handled_signals() -> Iterator[Signals]:
    """Ctrl-C, SIGTERM and a closed terminal interrupt, so that the removal always comes."""
    signals = Signals()
    with ExitStack() as before:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) is signal.SIG_IGN:  # as nohup has it
                    continue
                before.callback(signal.signal, number, signal.signal(number, signals.handle))
        yield signals


@contextmanager
def time_limit(seconds: float, signals: Signals) -> Iterator[None]:
    """Interrupt the block after that time, as SIGTERM does: Terraform then ends what it is at.

    A Terraform that does not end is broken off a little later.
    """

    def over() -> None:
        signals.why = f"Its time of {seconds / 60:.0f} minutes was over."
        os.kill(os.getpid(), signal.SIGTERM)

    timers = [threading.Timer(each, over) for each in (seconds, seconds + BREAK_OFF_SECONDS)]
    for timer in timers:
        timer.daemon = True
        timer.start()
    try:
        yield
    finally:
        for timer in timers:
            timer.cancel()
