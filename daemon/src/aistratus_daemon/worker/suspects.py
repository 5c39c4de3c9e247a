"""Which jobs may share the engine after it has died with several jobs in it.

Nobody knows which job it died of. So all of them are suspects, and suspects run alone, one after
the other, each until its answer has gone further than before. Then it is cleared, and waits until
all have been tried. A job that brings the engine down alone is guilty: the others are cleared, and
it goes on alone. Only what a job does alone is ever held against it.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Suspects:
    """The door of one worker's engine. A `run` is any object that stands for a job's run.

    Everything happens in one event loop.
    """

    def __init__(self) -> None:
        self._inside: dict[object, None] = {}
        # In the order in which they are tried.
        self._suspects: dict[object, None] = {}
        self._guilty: object = None
        self._changed = asyncio.Event()

    async def until_admitted(self, run: object) -> None:
        """Wait at the door; `inside` must follow before anything else is awaited."""
        while not self._may_enter(run):
            await self._changed.wait()

    @contextmanager
    def inside(self, run: object) -> Iterator[None]:
        """The run has a request in the engine for the length of the block."""
        self._inside[run] = None
        try:
            yield
        finally:
            del self._inside[run]
            self._wake()

    def engine_lost(self) -> None:
        """The engine went away: all runs in it become suspects; a run that was alone is guilty."""
        if len(self._inside) == 1:
            (self._guilty,) = self._inside
            self._suspects = dict(self._inside)
        else:
            self._guilty = None
            self._suspects |= self._inside
        self._wake()

    def is_guilty(self, run: object) -> bool:
        """Whether this run, alone, brought down the engine that was lost last."""
        return self._guilty is run

    def clear(self, run: object) -> None:
        """Clear a run that has gone further than when it became a suspect, or has ended."""
        if run in self._suspects:
            del self._suspects[run]
            self._wake()

    def must_yield(self, run: object) -> bool:
        """Whether this run must leave the engine to a suspect that waits for it."""
        return bool(self._suspects) and run not in self._suspects

    def _may_enter(self, run: object) -> bool:
        if not self._suspects:
            return True
        return not self._inside and next(iter(self._suspects)) is run

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
