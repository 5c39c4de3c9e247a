"""The system's processes from outside: who lives, who was started again, how much memory."""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from support.system import Demo

LOOK_SECONDS: Final = 0.25
_PACKAGE: Final = "aistratus_"


def parts(demo: Demo) -> dict[str, int]:
    """The process id of each part that the demo has started, by the part's name."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if int(stat.rpartition(")")[2].split()[1]) != demo.process.pid or "-m" not in words:
            continue
        module = words[words.index("-m") + 1]
        if module.startswith(_PACKAGE):
            found[module.rpartition(".")[2]] = int(folder.name)
    return found


def restarts(demo: Demo) -> list[str]:
    """What the demo has said of parts that it had to start again."""
    return [line.strip(" ✓*\n") for line in demo.lines if "started again" in line]


def resident_mib(pid: int) -> float:
    """What a process has in memory; 0 if it is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = [line for line in text.splitlines() if line.startswith("VmRSS:")]
    return int(found[0].split()[1]) / 1024 if found else 0.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of the parts while they were watched. Memory in MiB, by the part's name."""

    replaced: list[str]
    restarts: list[str]
    peak_mib: dict[str, float]


class Watch:
    """Watches the parts in a thread, from its making until `end`."""

    def __init__(self, demo: Demo) -> None:
        self._demo = demo
        self._before = parts(demo)
        self._restarts_before = len(restarts(demo))
        self._peaks = {name: resident_mib(pid) for name, pid in self._before.items()}
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def end(self) -> Seen:
        """Stop watching; what was seen."""
        self._is_over.set()
        self._thread.join()
        now = parts(self._demo)
        replaced = [name for name, pid in self._before.items() if now.get(name) != pid]
        said = restarts(self._demo)[self._restarts_before :]
        return Seen(replaced, said, {name: round(mib, 1) for name, mib in self._peaks.items()})

    def _look(self) -> None:
        while not self._is_over.wait(LOOK_SECONDS):
            for name, pid in self._before.items():
                self._peaks[name] = max(self._peaks[name], resident_mib(pid))
