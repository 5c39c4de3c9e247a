"""The rates of the engine and of all others, on a processor."""

from collections.abc import Sequence
from typing import Final

from aistratus_local.choices import STANDIN
from engine_bench.bench import Bench, Scenario
from engine_bench.contenders.engine import ENGINE
from engine_bench.contenders.http_server import LLAMA_SERVER, PYTHON_SERVER, llama_server_path
from engine_bench.contenders.llama_loop import LLAMA, LLAMA_ALL_CORES
from engine_bench.contenders.local_path import LOCAL
from engine_bench.contenders.raw_loop import RAW
from engine_bench.figures import Found, at_least
from engine_bench.options import SHAPE
from engine_bench.scenarios.rates import Comparison, Plan, measured

NO_LLAMA_SERVER: Final = "There is no llama-server here; LLAMA_SERVER=/path/to/it names one."

_SHAPE_PLAN: Final[Plan] = {
    LLAMA: (1,),
    LLAMA_ALL_CORES: (1,),
    PYTHON_SERVER: (4, 16),
    LLAMA_SERVER: (4, 8, 16),
    RAW: (1, 4, 8, 16),
    ENGINE: (1, 4, 8, 16),
    LOCAL: (16,),
}
_STANDIN_PLAN: Final[Plan] = {
    LLAMA: (1,),
    LLAMA_ALL_CORES: (1,),
    ENGINE: (1, 4, 16),
}
_COMPARISONS: Final[Sequence[Comparison]] = (
    (ENGINE, 16, LLAMA, (1,), at_least(2.0)),
    (ENGINE, 16, LLAMA_ALL_CORES, (1,), at_least(2.0)),
    (ENGINE, 4, LLAMA, (1,), at_least(1.35)),
    (ENGINE, 4, LLAMA_ALL_CORES, (1,), at_least(1.35)),
    (ENGINE, 16, RAW, (16,), at_least(0.95)),
    (ENGINE, 8, RAW, (4, 8), at_least(1.0)),
    (LOCAL, 16, ENGINE, (16,), at_least(0.95)),
    (ENGINE, 4, LLAMA_SERVER, (4,), None),
    (ENGINE, 8, LLAMA_SERVER, (8,), None),
    (ENGINE, 16, LLAMA_SERVER, (16,), None),
    (ENGINE, 16, PYTHON_SERVER, (16,), None),
)


def _run_shape(bench: Bench) -> Found:
    plan = dict(_SHAPE_PLAN)
    if llama_server_path() is None:
        del plan[LLAMA_SERVER]
    found = measured(bench, bench.models[SHAPE], plan, _COMPARISONS)
    if LLAMA_SERVER not in plan:
        found.notes.append(NO_LLAMA_SERVER)
    return found


def _run_standin(bench: Bench) -> Found:
    return measured(bench, bench.models[STANDIN], _STANDIN_PLAN, _COMPARISONS)


THROUGHPUT: Final = Scenario(
    "throughput", "Tokens per second, TinyLlama's shape", (SHAPE,), _run_shape
)
STANDIN_THROUGHPUT: Final = Scenario(
    "standin", "Tokens per second, the stand-in model", (STANDIN,), _run_standin
)
