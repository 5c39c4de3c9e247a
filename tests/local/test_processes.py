"""A part of the system is awaited, kept up or mourned, and never outlives the rest."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from aistratus_local.processes import Child, Part, ProcessFailed
from support.system import is_running, until_gone


def python(code: str, folder: Path, **more: Any) -> Part:
    return Part("part", (sys.executable, "-c", code), dict(os.environ), folder / "part.log", **more)


def run(
    part: Part, work: Callable[[Child, list[ProcessFailed]], Awaitable[None]], **more: Any
) -> None:
    async def around() -> None:
        failures: list[ProcessFailed] = []
        child = Child(part, failures.append, **more)
        await child.start()
        try:
            await work(child, failures)
        finally:
            await child.stop()

    asyncio.run(around())


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def test_it_is_ready_when_it_answers(tmp_path: Path) -> None:
    code = "import socket, time; time.sleep(0.3); s = socket.socket(socket.AF_UNIX); s.bind('s'); "
    code += "s.listen(); time.sleep(60)"

    async def work(child: Child, failures: list[ProcessFailed]) -> None:
        began = time.monotonic()
        await child.until_ready()
        assert 0.25 < time.monotonic() - began < 10
        assert failures == []

    run(python(code, tmp_path, address=tmp_path / "s"), work)


def test_one_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    part = python(
        "import sys; print('one'); sys.exit('I lack a leg.')", tmp_path, address=("127.0.0.1", 1)
    )

    async def work(child: Child, failures: list[ProcessFailed]) -> None:
        with pytest.raises(ProcessFailed) as caught:
            await child.until_ready()
        assert str(caught.value) == (
            f"The part ended while it was starting. Its log is {tmp_path / 'part.log'}; "
            "its last line: I lack a leg."
        )
        assert "exit code 1" in str(failures[0])

    run(part, work)


def test_one_that_is_never_ready_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    part = python(
        "import time; time.sleep(60)", tmp_path, address=tmp_path / "s", ready_seconds=0.3
    )

    async def work(child: Child, failures: list[ProcessFailed]) -> None:
        with pytest.raises(ProcessFailed, match="was not ready after 0 seconds"):
            await child.until_ready()
        assert failures == []

    run(part, work)


def test_one_that_dies_is_reported_once(tmp_path: Path) -> None:
    async def work(child: Child, failures: list[ProcessFailed]) -> None:
        assert child.pid
        os.kill(child.pid, signal.SIGSEGV)
        await until(lambda: failures)
        assert "ended unexpectedly (killed by SIGSEGV)" in str(failures[0])
        assert child.pid is None

    run(python("import time; time.sleep(60)", tmp_path), work)


def test_a_service_is_started_again(tmp_path: Path) -> None:
    async def work(child: Child, failures: list[ProcessFailed]) -> None:
        first = child.pid
        assert first
        os.kill(first, signal.SIGKILL)
        await until(lambda: child.pid not in (None, first))
        assert child.restarts == 1
        assert failures == []

    run(python("import time; time.sleep(60)", tmp_path, restarts=True), work)


@pytest.mark.parametrize("code", [2, 3])
def test_a_service_with_wrong_settings_is_not(tmp_path: Path, code: int) -> None:
    async def work(child: Child, failures: list[ProcessFailed]) -> None:
        await until(lambda: failures)
        assert f"exit code {code}" in str(failures[0])
        assert child.restarts == 0

    run(python(f"import sys; sys.exit({code})", tmp_path, restarts=True), work)


def test_a_service_that_always_dies_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aistratus_local.processes.RESTART_PAUSE_SECONDS", 0.0)

    async def work(child: Child, failures: list[ProcessFailed]) -> None:
        await until(lambda: failures)
        assert child.restarts == 5

    run(python("import sys; sys.exit(1)", tmp_path, restarts=True), work)


def test_who_leaves_in_order_is_started_again_and_not_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aistratus_local.processes.RESTART_PAUSE_SECONDS", 0.0)
    told: list[str] = []

    async def between_lives() -> None:
        told.append("between")

    async def work(child: Child, failures: list[ProcessFailed]) -> None:
        await until(lambda: child.restarts > 6 and len(told) > 11)
        assert failures == []
        assert told[:4] == ["between", "part (exit code 0), started again"] * 2

    part = python("", tmp_path, restarts=True)
    run(part, work, between_lives=between_lives, on_restart=told.append)


def test_who_does_not_listen_is_killed(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    code += "open('deaf', 'w'); time.sleep(60)"

    async def work(child: Child, failures: list[ProcessFailed]) -> None:
        await until((tmp_path / "deaf").exists)
        pid = child.pid
        assert pid
        began = time.monotonic()
        await child.stop()
        assert time.monotonic() - began < 5
        assert not is_running(pid)
        assert failures == []

    run(python(code, tmp_path, stop_seconds=0.3), work)


def test_stopping_is_no_failure_and_no_reason_to_start_again(tmp_path: Path) -> None:
    async def work(child: Child, failures: list[ProcessFailed]) -> None:
        await child.stop()
        await asyncio.sleep(0.1)
        assert (child.pid, child.restarts, failures) == (None, 0, [])

    run(python("import time; time.sleep(60)", tmp_path, restarts=True), work)


def test_it_dies_with_its_supervisor(tmp_path: Path) -> None:
    code = (
        "import asyncio, os, pathlib, sys\n"
        "from aistratus_local.processes import Child, Part\n"
        "async def main():\n"
        "    part = Part('part', (sys.executable, '-c', 'import time; time.sleep(60)'),\n"
        "                dict(os.environ), pathlib.Path(sys.argv[1]) / 'part.log')\n"
        "    child = Child(part, print)\n"
        "    await child.start()\n"
        "    pathlib.Path(sys.argv[1], 'pid').write_text(str(child.pid))\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )

    async def supervise() -> None:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(tmp_path))
        assert await process.wait() == -signal.SIGKILL

    asyncio.run(supervise())
    until_gone([int((tmp_path / "pid").read_text())])


def test_ctrl_c_at_the_terminal_is_not_for_it(tmp_path: Path) -> None:
    async def work(child: Child, failures: list[ProcessFailed]) -> None:
        assert child.pid
        assert os.getsid(child.pid) != os.getsid(0)
        assert failures == []

    run(python("import time; time.sleep(60)", tmp_path), work)
