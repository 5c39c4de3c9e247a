"""Runs a long command: its output goes to the log, and line by line to a watcher."""

import os
import queue
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from housekeeping.errors import HouseError

TAIL_LINES = 15
"""How much of a failed command's output is worth showing."""

IDLE_SECONDS = 1.0
"""How long a command may be silent before its watcher is called with an empty line."""

_NOISE = ("WARNING: Location ", "[notice]", "WARNING: Running pip as")


def run(
    command: Sequence[str | Path],
    *,
    log: Path,
    failure: str,
    env: Mapping[str, str] | None = None,
    watch: Callable[[str], None] | None = None,
) -> None:
    """Runs `command` to its end.

    Raises:
        HouseError: it failed; the text has `failure`, the log's path and the last lines.
    """
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("a", encoding="utf-8") as out,
        subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        out.write(f"\n$ {' '.join(str(part) for part in command)}\n")
        try:
            for line in _with_idle_lines(process.stdout or ()):
                out.write(line)
                if line.strip() and not line.startswith(_NOISE):
                    tail.append(line.rstrip())
                if watch is not None:
                    watch(line)
        except BaseException:
            process.terminate()
            raise
    if process.returncode != 0:
        shown = "\n".join(f"    {line}" for line in _telling(tail))
        raise HouseError(f"{failure}\nThe last lines (all of it in {_short(log)}):\n{shown}")


def quietly(command: Sequence[str | Path], *, log: Path, env: Mapping[str, str]) -> bool:
    """Runs `command`; returns whether it succeeded. The log has the rest."""
    try:
        run(command, log=log, failure="", env=env)
    except HouseError:
        return False
    return True


def _with_idle_lines(stream: Iterable[str]) -> Iterator[str]:
    """The lines as they arrive, and "" for each second without one."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        for line in stream:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            yield ""
            continue
        if line is None:
            return
        yield line


def _telling(lines: Sequence[str]) -> list[str]:
    """The lines from the first that names an error; all of them if none does."""
    for position, line in enumerate(lines):
        if "error" in line.lower():
            return list(lines)[position:]
    return list(lines)


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
