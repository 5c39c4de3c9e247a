"""Whether the engine's memory grows with the number of jobs that it has answered."""

from typing import Final

from aistratus_local.choices import STANDIN
from engine_bench.bench import Bench, Scenario
from engine_bench.contenders.engine import SLOTS, EngineSession, open_engine
from engine_bench.figures import Figure, Found, at_most
from engine_bench.models import BenchModel
from engine_bench.workload import new_jobs

BAR_MIB: Final = at_most(20.0)
WARM_UP_JOBS: Final = 208
JOBS: Final = 2000
QUICK_JOBS: Final = 96
ANSWER_TOKENS: Final = 16
# The memory for parked conversations is meant to fill up; this little is full before the count
# begins, and is emptied and refilled from then on.
PARKED_MIB: Final = "4"


def _run(bench: Bench) -> Found:
    model = bench.models[STANDIN]
    jobs = QUICK_JOBS if bench.is_quick else JOBS
    setup = bench.setup(model, SLOTS)
    with open_engine(setup, AISTRATUS_ENGINE_PARKED_MIB=PARKED_MIB) as session:
        _answer(session, model, WARM_UP_JOBS)
        before = session.usage().resident_mib
        bench.progress(f"{WARM_UP_JOBS} jobs: {before:.1f} MiB")
        _answer(session, model, jobs)
        after = session.usage().resident_mib
        bench.progress(f"{jobs} more: {after:.1f} MiB")
    return Found(
        [
            Figure(f"engine's memory after {WARM_UP_JOBS} jobs", "MiB", (before,)),
            Figure(f"engine's memory, growth over {jobs} more", "MiB", (after - before,), BAR_MIB),
        ]
    )


def _answer(session: EngineSession, model: BenchModel, jobs: int) -> None:
    for _ in range(jobs // SLOTS):
        session.ask(new_jobs(model, SLOTS, max_tokens=ANSWER_TOKENS))


MEMORY: Final = Scenario("memory", "Memory over 2,000 jobs", (STANDIN,), _run)
