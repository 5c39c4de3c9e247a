"""The engine's own time for each token, beside llama.cpp's (see `engine_bench.own_time`).

Once with TinyLlama's shape, and once with many answers of a model so small that a step is as short
as on a card.
"""

import json
from dataclasses import dataclass
from typing import Final

from aistratus_daemon.engine.settings import Switch
from engine_bench import models
from engine_bench.bench import Bench, Scenario
from engine_bench.figures import Bar, Figure, Found, at_most
from engine_bench.models import BenchModel
from engine_bench.options import SHAPE, TINY
from engine_bench.own_time import OwnTime
from engine_bench.processes import process, python_module

STEPS: Final = 48
QUICK_STEPS: Final = 8
# Steps as short as on a card leave the engine this much for a token.
SHORT_STEP_BAR: Final = at_most(10.0)


@dataclass(frozen=True, slots=True)
class _Case:
    """A model with so many answers at once; bars in µs, by sampler."""

    title: str
    model: str
    slots: int
    repack: Switch
    bars: dict[str, Bar | None]


_CASES: Final = (
    _Case(
        "answers",
        SHAPE,
        slots=16,
        repack=Switch.AUTO,
        bars={"greedy": at_most(20.0), "chain": at_most(60.0), "chain with repeat penalty": None},
    ),
    _Case(
        "answers of a tiny model",
        TINY,
        slots=128,
        # llama.cpp's kernels for repacked weights crash on so small matrices.
        repack=Switch.OFF,
        bars=dict.fromkeys(("greedy", "chain", "chain with repeat penalty"), SHORT_STEP_BAR),
    ),
)


def _run(bench: Bench) -> Found:
    return Found([figure for case in _CASES for figure in _figures(bench, case)])


def _figures(bench: Bench, case: _Case) -> list[Figure]:
    slots = 4 if bench.is_quick else case.slots
    model = bench.models.get(case.model) or models.load(case.model)
    rounds: dict[str, list[OwnTime]] = {name: [] for name in case.bars}
    for number in range(1, bench.rounds + 1):
        found = measured(bench, model, slots, case.repack)
        for name, each in rounds.items():
            each.append(found[name])
            own = f"{each[-1].own_us:.1f} µs/token"
            bench.progress(f"round {number}/{bench.rounds}, {slots} {case.title}, {name}: {own}")
    figures = []
    for name, several in rounds.items():
        own_us, sampling_us = (
            tuple(getattr(one, part) for one in several) for part in ("own_us", "sampling_us")
        )
        title = f"{slots} {case.title}, {name}"
        figures.append(Figure(f"own time, {title}", "µs/token", own_us, case.bars[name]))
        if any(sampling_us):
            figures.append(Figure(f"llama.cpp's samplers, {title}", "µs/token", sampling_us))
    return figures


def measured(bench: Bench, model: BenchModel, slots: int, repack: Switch) -> dict[str, OwnTime]:
    """The times of each sampler with so many answers at once, measured in a process of its own."""
    steps = QUICK_STEPS if bench.is_quick else STEPS
    options = (f"--slots={slots}", f"--steps={steps}", f"--repack={repack}")
    arguments = python_module("engine_bench.own_time", str(model.path), *options)
    log = bench.setup(model, 1).folder / "own_time.log"
    with process("own_time", arguments, log, piped=True) as running:
        line = running.stdout.readline()
        if not line:
            raise running.failure("found nothing")
    return {name: OwnTime(**taken) for name, taken in json.loads(line).items()}


OWN_TIME: Final = Scenario("own_time", "The engine's own time, without llama.cpp's", (SHAPE,), _run)
