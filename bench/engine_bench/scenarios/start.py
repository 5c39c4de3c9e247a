"""From the start of the engine's process until it says that it is ready."""

import hashlib
from pathlib import Path
from typing import Final

from aistratus_local.choices import STANDIN
from engine_bench.bench import Bench, Scenario
from engine_bench.contenders.engine import ENGINE
from engine_bench.figures import Figure, Found, at_most
from engine_bench.options import SHAPE

BAR: Final = at_most(2.0)


def _run(bench: Bench) -> Found:
    seconds: dict[str, list[float]] = {name: [] for name in bench.models}
    for number in range(1, bench.rounds + 1):
        for name, model in bench.models.items():
            _read(model.path)
            with bench.session(ENGINE, model, 1) as session:
                seconds[name].append(session.start_seconds)
            bench.progress(f"round {number}/{bench.rounds}, {name}: {seconds[name][-1]:.2f} s")
    return Found(
        [
            Figure(f"engine, {name} model: start → ready", "s", tuple(all_), BAR)
            for name, all_ in seconds.items()
        ]
    )


def _read(file: Path) -> None:
    """Bring the file into the page cache, holding little of it at once."""
    with file.open("rb") as stream:
        hashlib.file_digest(stream, "sha256")


START: Final = Scenario("start", "Start, the weights in the page cache", (SHAPE, STANDIN), _run)
