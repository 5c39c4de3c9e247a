"""What is measured on a card, the short parts first: a round of rates may be left out."""

from typing import Final

from aistratus_daemon.engine.settings import Switch
from engine_bench.bench import Bench, Scenario
from engine_bench.figures import Figure, Found
from engine_bench.models import BenchModel
from engine_bench.options import SHAPE, TINY
from engine_bench.scenarios.own_time import SHORT_STEP_BAR
from engine_bench.scenarios.own_time import measured as own_times
from engine_bench.scenarios.rates import Comparison, measured
from gpu_bench import card, continuity
from gpu_bench.contenders import contenders
from gpu_bench.errors import Unprepared

JOBS: Final = (1, 4, 16, 64, 128)
_QUICK_SEQUENCES: Final = 4


def scenarios(deadline: float, *, is_cpu: bool) -> tuple[Scenario, ...]:
    """All of them; the rates' last round ends by the deadline, on the monotonic clock.

    Without a card the model is the tiny one, whose steps are as short as on a card.
    """
    model = TINY if is_cpu else SHAPE
    three = contenders(is_cpu=is_cpu)

    def on_card(bench: Bench) -> Found:
        return _on_card(bench, bench.models[model], is_cpu=is_cpu)

    def continues(bench: Bench) -> Found:
        return continuity.measure(bench, bench.models[model], three.open_engine)

    def own_time(bench: Bench) -> Found:
        return _own_time(bench, bench.models[model], Switch.OFF if is_cpu else Switch.AUTO)

    def rates(bench: Bench) -> Found:
        plan = {three.raw: JOBS, three.server: JOBS, three.engine: JOBS}
        comparisons: list[Comparison] = [
            (three.engine, jobs, other, (jobs,), None)
            for other in (three.raw, three.server)
            for jobs in JOBS
        ]
        return measured(bench, bench.models[model], plan, comparisons, deadline=deadline)

    return (
        Scenario("card", "What llama.cpp puts on the card", (model,), on_card),
        Scenario("continuity", "Resume and cancel", (model,), continues),
        Scenario("own_time", "The engine's own time, without llama.cpp's", (model,), own_time),
        Scenario("throughput", f"Tokens per second, the model {model!r}", (model,), rates),
    )


def _sequences(bench: Bench) -> int:
    return _QUICK_SEQUENCES if bench.is_quick else JOBS[-1]


def _on_card(bench: Bench, model: BenchModel, *, is_cpu: bool) -> Found:
    sequences = _sequences(bench)
    found = card.load(model.path, sequences, bench.setup(model, 1).folder / "card.log")
    if not found.devices and not is_cpu:
        raise Unprepared(
            "llama.cpp finds no card here: see what nvidia-smi says, and whether /dev/nvidia-uvm "
            'is there. Without a card, the program itself can be tried with ARGS="--cpu".'
        )
    bench.progress(f"{', '.join(found.devices) or 'no card'}: {found.layers} layers")
    figures = [
        Figure("layers on the card", f"of {found.all_layers}", (float(found.layers),)),
        Figure("memory of the weights", "MiB", (found.model_mib,)),
        Figure(f"memory of {sequences} conversations", "MiB", (found.context_mib,)),
    ]
    return Found(figures, notes=[f"llama.cpp's devices: {', '.join(found.devices) or 'none'}"])


def _own_time(bench: Bench, model: BenchModel, repack: Switch) -> Found:
    sequences, found = _sequences(bench), Found()
    for name, each in own_times(bench, model, sequences, repack).items():
        title = f"own time, {sequences} answers, {name}"
        found.figures.append(Figure(title, "µs/token", (each.own_us,), SHORT_STEP_BAR))
        if each.sampling_us:
            samplers = f"llama.cpp's samplers, {name}"
            found.figures.append(Figure(samplers, "µs/token", (each.sampling_us,)))
        bench.progress(f"{title}: {each.own_us:.1f} µs/token")
    return found
