"""A service that hangs is ended and comes back, as systemd's watchdog would see to it."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aistratus_daemon.frames import Generate
from aistratus_local.processes import Child, Part, ProcessFailed
from support.engine_process import engine_environment, greedy, linked, user
from support.system import is_running

NOTIFY = "import time; from aistratus_daemon.notify import Watchdog, connect; tell = connect(); "
# Feeds from the loop that does its work; each round is one more letter in the file.
WORKING = (
    NOTIFY + "watchdog = Watchdog(tell); tell('READY=1')\n"
    "while True:\n"
    "    watchdog.feed()\n"
    "    open('rounds', 'a').write('x')\n"
    "    time.sleep(0.02)\n"
)


def service(code: str, folder: Path, watchdog_seconds: float, **more: Any) -> Part:
    return Part(
        "service",
        (sys.executable, "-c", code),
        {**os.environ, "PYTHONFAULTHANDLER": "1"},
        folder / "service.log",
        restarts=True,
        watchdog_seconds=watchdog_seconds,
        **more,
    )


def run(part: Part, work: Callable[[Child, list[str]], Awaitable[None]]) -> None:
    async def around() -> None:
        told: list[str] = []
        failures: list[ProcessFailed] = []
        child = Child(part, failures.append, told.append)
        await child.start()
        try:
            await work(child, told)
        finally:
            await child.stop()
        assert failures == []

    asyncio.run(around())


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def test_who_works_is_left_alone(tmp_path: Path) -> None:
    async def work(child: Child, told: list[str]) -> None:
        await until(lambda: size(tmp_path / "rounds") > 150)  # three intervals, at least
        assert (child.restarts, told) == (0, [])

    run(service(WORKING, tmp_path, 1.0), work)


def test_who_hangs_says_where_and_is_started_again(tmp_path: Path) -> None:
    code = NOTIFY + "tell('READY=1'); time.sleep(60)"

    async def work(child: Child, told: list[str]) -> None:
        await until(lambda: told)
        assert told[0] == "service (hung for 0.3 s, killed by SIGABRT), started again"
        assert 'File "<string>", line 1' in (tmp_path / "service.log").read_text()

    run(service(code, tmp_path, 0.3), work)


def test_who_is_stopped_is_killed_and_started_again(tmp_path: Path) -> None:
    async def work(child: Child, told: list[str]) -> None:
        await until(lambda: size(tmp_path / "rounds"))
        first = child.pid
        assert first
        os.kill(first, signal.SIGSTOP)
        await until(lambda: told)
        assert told == ["service (hung for 1 s, killed by SIGKILL), started again"]
        assert not is_running(first)
        rounds = size(tmp_path / "rounds")
        await until(lambda: size(tmp_path / "rounds") > rounds)

    run(service(WORKING, tmp_path, 1.0), work)


def test_what_it_has_started_ends_with_it(tmp_path: Path) -> None:
    code = (
        "import pathlib, subprocess, sys; "
        "other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
        "pathlib.Path('other').write_text(str(other.pid)); "
    )

    async def work(child: Child, told: list[str]) -> None:
        await until(lambda: size(tmp_path / "other"))
        other = int((tmp_path / "other").read_text())
        await until(lambda: told)
        await until(lambda: not is_running(other))

    run(service(code + NOTIFY + "tell('READY=1'); time.sleep(60)", tmp_path, 0.3), work)


def test_starting_may_take_its_time(tmp_path: Path) -> None:
    code = NOTIFY + "time.sleep(1.5); open('up', 'w').write('x'); tell('READY=1'); time.sleep(60)"

    async def work(child: Child, told: list[str]) -> None:
        await until(lambda: told or size(tmp_path / "up"))
        assert told == []

    run(service(code, tmp_path, 0.5), work)


def test_who_leaves_may_ask_for_time(tmp_path: Path) -> None:
    code = (
        NOTIFY + "tell('READY=1'); tell('STOPPING=1\\nEXTEND_TIMEOUT_USEC=60000000'); "
        "time.sleep(1.5); open('left', 'w').write('x')"
    )

    async def work(child: Child, told: list[str]) -> None:
        await until(lambda: told)
        assert told[0] == "service (exit code 0), started again"
        assert size(tmp_path / "left")

    run(service(code, tmp_path, 0.3, stop_seconds=0.3), work)


def test_who_never_leaves_is_ended(tmp_path: Path) -> None:
    code = (
        NOTIFY + "tell('READY=1'); tell('STOPPING=1')\n"
        "while True: tell('WATCHDOG=1'); time.sleep(0.02)"
    )

    async def work(child: Child, told: list[str]) -> None:
        await until(lambda: told)
        assert "hung" in told[0]

    run(service(code, tmp_path, 20.0, stop_seconds=0.5), work)


def test_a_stopped_engine_is_ended_and_answers_again(tmp_path: Path) -> None:
    part = Part(
        "engine",
        (sys.executable, "-m", "aistratus_daemon.engine"),
        engine_environment(tmp_path),
        tmp_path / "engine.log",
        address=tmp_path / "engine.sock",
        restarts=True,
        watchdog_seconds=4.0,
    )

    def answer(name: str) -> str:
        with linked(tmp_path / "engine.sock") as link:
            request = Generate(name, "someone/one", user("What is Aistratus?"), greedy(20))
            return link.ask(request).text

    async def work(child: Child, told: list[str]) -> None:
        await child.until_ready()
        first = await asyncio.to_thread(answer, "job-1")
        assert first
        assert child.pid
        os.kill(child.pid, signal.SIGSTOP)
        await until(lambda: told)
        assert told == ["engine (hung for 4 s, killed by SIGKILL), started again"]
        assert await asyncio.to_thread(answer, "job-2") == first

    run(part, work)
