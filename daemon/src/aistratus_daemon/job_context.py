"""Which job a line of the log is about: noted once per task, attached to every line by `logs`.

A context variable holds it. A task, a thread of `asyncio.to_thread` and a callback start with the
context of the code that made them, so none of them has to pass it on.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

# The conversation of a job that could not be loaded.
UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class JobContext:
    """What identifies the work on a job. `attempt` is 0 until a worker has begun one."""

    job_id: str
    conversation_id: str
    attempt: int

    def fields(self) -> dict[str, object]:
        """The journal's fields; a line about a job has all of them."""
        return {"JOB": self.job_id, "CONVERSATION": self.conversation_id, "ATTEMPT": self.attempt}


_current: ContextVar[Callable[[], JobContext] | None] = ContextVar("job", default=None)


def work_on(job: Callable[[], JobContext]) -> None:
    """From here on, this task works on the job that `job` returns.

    `job` is asked anew for each line, because the attempt changes while a job runs.
    """
    _current.set(job)


@contextmanager
def about(job: JobContext) -> Iterator[None]:
    """The lines that are logged within the block are about this job."""
    token = _current.set(lambda: job)
    try:
        yield
    finally:
        _current.reset(token)


def current_fields() -> dict[str, object]:
    """The fields of the job at hand; empty where there is none."""
    job = _current.get()
    return {} if job is None else job().fields()
