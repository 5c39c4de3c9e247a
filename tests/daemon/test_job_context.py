"""A line of the log about a job carries the job's three fields, without being told each time."""

import asyncio
import logging

import pytest

from aistratus_daemon.job_context import JobContext, about, work_on
from aistratus_daemon.logs import with_job

log = logging.getLogger("worker")

ONE = JobContext("job_1", "conv_1", 1)
OTHER = JobContext("job_2", "conv_2", 7)


class Kept(logging.Handler):
    """Keeps the fields of each message."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, tuple[object, ...]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        names = ("JOB", "CONVERSATION", "ATTEMPT")
        found = tuple(vars(record)[name] for name in names if name in vars(record))
        self.fields[record.getMessage()] = found


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Kept:
    handler = Kept()
    handler.addFilter(with_job)
    monkeypatch.setattr(log, "handlers", [handler])
    monkeypatch.setattr(log, "propagate", False)
    caplog.set_level(logging.INFO, "worker")
    return handler


def test_a_line_about_no_job_has_none_of_the_fields(kept: Kept) -> None:
    log.info("started")
    with about(ONE):
        log.info("inside")
    log.info("after")
    assert kept.fields == {"started": (), "inside": ("job_1", "conv_1", 1), "after": ()}


def test_each_task_its_threads_and_its_callbacks_speak_of_their_own_job(kept: Kept) -> None:
    async def work(job: JobContext) -> None:
        work_on(lambda: job)
        log.info("task %s", job.job_id)
        await asyncio.to_thread(log.info, "thread %s", job.job_id)
        helper = asyncio.create_task(asyncio.sleep(0))
        helper.add_done_callback(lambda _: log.info("callback %s", job.job_id))
        await helper
        await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(work(ONE), work(OTHER))
        log.info("loop")

    asyncio.run(main())
    assert kept.fields == {
        "loop": (),
        **{f"{kind} job_1": ("job_1", "conv_1", 1) for kind in ("task", "thread", "callback")},
        **{f"{kind} job_2": ("job_2", "conv_2", 7) for kind in ("task", "thread", "callback")},
    }


def test_the_attempt_is_the_one_of_the_moment(kept: Kept) -> None:
    attempts = iter((1, 2))

    async def work() -> None:
        work_on(lambda: JobContext("job_1", "conv_1", next(attempts)))
        log.info("first")
        log.info("second")

    asyncio.run(work())
    assert kept.fields == {"first": ("job_1", "conv_1", 1), "second": ("job_1", "conv_1", 2)}
