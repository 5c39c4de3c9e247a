"""The engine's own time for each token, beside llama.cpp's (see `engine_bench.own_time`)."""

import json
from typing import Final

from engine_bench.bench import Bench, Scenario
from engine_bench.figures import Bar, Figure, Found, at_most
from engine_bench.options import SHAPE
from engine_bench.own_time import OwnTime
from engine_bench.processes import process, python_module

SLOTS: Final = 16
STEPS: Final = 48
_BARS: Final[dict[str, Bar | None]] = {
    "greedy": at_most(20.0),
    "chain": at_most(60.0),
    "chain with repeat penalty": None,
}


def _run(bench: Bench) -> Found:
    rounds: dict[str, list[OwnTime]] = {name: [] for name in _BARS}
    for number in range(1, bench.rounds + 1):
        found = _measured(bench)
        for name, each in rounds.items():
            each.append(found[name])
            bench.progress(f"round {number}/{bench.rounds}, {name}: {each[-1].own_us:.1f} µs/token")
    slots = _slots(bench)
    figures = []
    for name, several in rounds.items():
        own, sampling = (
            tuple(getattr(one, part) for one in several) for part in ("own_us", "sampling_us")
        )
        figures.append(Figure(f"own time, {slots} answers, {name}", "µs/token", own, _BARS[name]))
        if any(sampling):
            title = f"llama.cpp's samplers, {name}"
            figures.append(Figure(title, "µs/token", sampling))
    return Found(figures)


def _slots(bench: Bench) -> int:
    return 4 if bench.is_quick else SLOTS


def _measured(bench: Bench) -> dict[str, OwnTime]:
    model = bench.models[SHAPE]
    steps = 8 if bench.is_quick else STEPS
    arguments = python_module(
        "engine_bench.own_time",
        *(str(model.path), f"--slots={_slots(bench)}", f"--steps={steps}"),
    )
    log = bench.setup(model, 1).folder / "own_time.log"
    with process("own_time", arguments, log, piped=True) as running:
        line = running.stdout.readline()
        if not line:
            raise running.failure("found nothing")
    return {name: OwnTime(**taken) for name, taken in json.loads(line).items()}


OWN_TIME: Final = Scenario("own_time", "The engine's own time, without llama.cpp's", (SHAPE,), _run)
