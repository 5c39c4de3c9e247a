"""A clock that jumps from one event to the next, and the processes to which events happen.

Nothing waits: time is a number, and the next event sets it. Blocking code runs in a greenlet that
yields where a real thread would wait for the network. So threads of all workers interleave at
every call, and always in the same way for the same seed.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]

T = TypeVar("T")


@dataclass(order=True, slots=True)
class Event:
    """Something that will happen to a process, or to the world outside all processes."""

    when: float
    number: int
    action: Callable[[], object] = field(compare=False)
    process: "Process | None" = field(compare=False)
    is_off: bool = field(default=False, compare=False)


class World:
    """The clock, the events to come, and all violations."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.random = Random(seed)  # noqa: S311 - a repeatable run, no secret
        # What no worker may do, whatever happens to it. A test looks here; raised on the spot, a
        # violation would be one more error for the worker to catch.
        self.violations: list[str] = []
        self.story: list[str] = []
        # The process whose turn it is.
        self.current: Process | None = None
        self._events: list[Event] = []
        self._numbers = count()

    def after(
        self, seconds: float, action: Callable[[], object], process: "Process | None" = None
    ) -> Event:
        """Have something happen that much later."""
        event = Event(self.now + seconds, next(self._numbers), action, process)
        heapq.heappush(self._events, event)
        return event

    def put_off(self, event: Event) -> None:
        """Let a missed event happen now; it can still be called off."""
        event.when, event.number = self.now, next(self._numbers)
        heapq.heappush(self._events, event)

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Let that much time pass, or less if `until` comes true; returns whether it did."""
        end = self.now + seconds
        if until():
            return True
        while self._events and self._events[0].when <= end:
            event = heapq.heappop(self._events)
            if event.is_off:
                continue
            self.now = event.when
            if event.process is None:
                event.action()
            else:
                event.process.meet(event)
            if until():
                return True
        self.now = end
        return until()

    def tell(self, line: str) -> None:
        """Add a line to the story, for the reader of a failure."""
        self.story.append(f"{self.now:9.3f} {line}")

    def violated(self, sentence: str) -> None:
        """Note that something happened that must not."""
        self.tell(f"VIOLATION {sentence}")
        self.violations.append(sentence)


class Process:
    """A process: it can be stopped and continued, as by SIGSTOP and SIGCONT, and killed."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.is_alive = True
        self.is_stopped = False
        self._missed: list[Event] = []
        self._threads: dict[int, Any] = {}
        self._numbers = count()

    def meet(self, event: Event) -> None:
        """Let an event happen to this process."""
        if self.is_stopped:
            self._missed.append(event)
        elif self.is_alive:
            self.world.current = self
            event.action()
            self.world.current = None

    @property
    def has_threads(self) -> bool:
        """Whether any of its blocking code still runs."""
        return bool(self._threads)

    def stop(self) -> None:
        """Nothing happens in it from now on."""
        self.is_stopped = True

    def go_on(self) -> None:
        """All that it missed happens now, in order."""
        self.is_stopped = False
        missed, self._missed = self._missed, []
        for event in missed:
            self.world.put_off(event)

    def kill(self) -> None:
        """End it; what it has sent is still on its way."""
        self.is_alive = self.is_stopped = False
        self._missed.clear()
        for thread in list(self._threads.values()):
            thread.throw()
        self._threads.clear()

    def start_thread(self, work: Callable[[], None]) -> None:
        """Run blocking code, beginning now."""
        number = next(self._numbers)

        def run() -> None:
            work()
            del self._threads[number]

        thread = self._threads[number] = greenlet(run)
        self.world.after(0.0, thread.switch, self)

    def wait_for(self, ask: Callable[[Callable[[T], None]], object]) -> T:
        """In a thread: ask for something, and block until the first answer to it."""
        thread = getcurrent()
        answers: list[T] = []

        def answer(value: T) -> None:
            if not answers:
                answers.append(value)
                self.world.after(0.0, thread.switch, self)

        ask(answer)
        thread.parent.switch()
        return answers[0]

    def sleep(self, seconds: float) -> None:
        """In a thread: block for that long."""

        def ask(wake: Callable[[None], None]) -> None:
            self.world.after(seconds, lambda: wake(None))

        self.wait_for(ask)
