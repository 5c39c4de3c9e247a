"""Tokens/s by the number of jobs at once, and what they cost in CPU time and memory.

It measures round by round, and within a round from few jobs to many, so that compared contenders
are measured close in time. Every measurement has a fresh process, warmed up with as many jobs.
"""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Final

from engine_bench.bench import Bench
from engine_bench.contenders.contender import Contender, Session
from engine_bench.contenders.raw_loop import RAW
from engine_bench.errors import FAILURES
from engine_bench.figures import Bar, Cell, Figure, Found, Sample
from engine_bench.models import BenchModel
from engine_bench.options import SHAPE
from engine_bench.workload import ANSWER_TOKENS, Job, Outcome, check, new_jobs

Plan = Mapping[Contender, tuple[int, ...]]
"""The numbers of jobs at once with which each contender is measured."""

Comparison = tuple[Contender, int, Contender, tuple[int, ...], Bar | None]
"""A ratio of two rates: over, its jobs, under, its jobs (the best of them counts), bar."""

# Enough for steps with all jobs running, after their prompts have been computed.
WARM_UP_TOKENS: Final = 32
QUICK_ANSWER_TOKENS: Final = 16
# The stand-in answers a hundred times faster, so it is asked more often.
STANDIN_BATCHES: Final = 32
STANDIN_SERIAL_BATCHES: Final = 8
_QUICK_JOBS: Final = {1: 1, 4: 2, 8: 3, 16: 4, 64: 6, 128: 8}

_Cells = dict[tuple[Contender, int], Cell]


def measured(
    bench: Bench,
    model: BenchModel,
    plan: Plan,
    comparisons: Sequence[Comparison],
    *,
    deadline: float = math.inf,
) -> Found:
    """Measure the plan's contenders, round by round.

    Args:
        bench: the run.
        model: what they compute.
        plan: the numbers of jobs at once, for each contender.
        comparisons: the ratios to report.
        deadline: on the machine's monotonic clock; a round that would not end by then is left out.
    """
    found = Found()
    counts = sorted({jobs for several in plan.values() for jobs in several})
    order = [(contender, jobs) for jobs in counts for contender in plan if jobs in plan[contender]]
    cells: _Cells = {
        (contender, jobs): Cell(contender.name, model.name, _jobs(bench, jobs))
        for contender, jobs in order
    }
    longest = 0.0
    for number in range(1, bench.rounds + 1):
        began = time.monotonic()
        if number > 1 and began + longest > deadline:
            found.notes.append(f"There was time for {number - 1} of {bench.rounds} rounds.")
            break
        for (contender, jobs), cell in list(cells.items()):
            try:
                sample = _sample(bench, contender, model, cell.jobs)
            except FAILURES as error:
                # One failure must not lose twenty minutes of all other measurements.
                del cells[contender, jobs]
                found.failures.append(f"{_name(cell)}: {error}")
                bench.progress(f"NOT MEASURED: {found.failures[-1]}")
                continue
            cell.samples.append(sample)
            bench.progress(
                f"round {number}/{bench.rounds}, {_name(cell)}: "
                f"{sample.tokens_per_second:.1f} tokens/s"
            )
        longest = max(longest, time.monotonic() - began)
    found.cells.extend(cells.values())
    found.figures.extend(_rates(cells))
    found.figures.extend(_comparisons(cells, comparisons))
    found.figures.extend(_costs(cells))
    return found


def _jobs(bench: Bench, jobs: int) -> int:
    return _QUICK_JOBS[jobs] if bench.is_quick else jobs


def _sample(bench: Bench, contender: Contender, model: BenchModel, jobs: int) -> Sample:
    answer = QUICK_ANSWER_TOKENS if bench.is_quick else ANSWER_TOKENS
    with bench.session(contender, model, jobs) as session:
        warm_up = 1 if contender.is_serial else jobs
        session.ask(new_jobs(model, warm_up, max_tokens=min(answer, WARM_UP_TOKENS)))
        before = session.usage()
        batches = [
            _asked(session, new_jobs(model, jobs, max_tokens=answer))
            for _ in range(1 if bench.is_quick else _batches(contender, model, jobs))
        ]
        after = session.usage()
        tokens = sum(outcome.tokens for batch in batches for outcome in batch)
        firsts = [o.first - o.asked for batch in batches for o in batch if o.first is not None]
        return Sample(
            tokens_per_second=tokens / sum(_seconds(batch) for batch in batches),
            prefill_per_second=_prefill_rate(batches[-1]),
            decode_per_second=_decode_rate(batches[-1]),
            first_token_seconds=tuple(round(seconds, 4) for seconds in firsts),
            cpu_ms_per_token=(after.cpu_seconds - before.cpu_seconds) / tokens * 1000,
            peak_mib=after.peak_mib,
            start_seconds=session.start_seconds,
        )


def _batches(contender: Contender, model: BenchModel, jobs: int) -> int:
    """How often to ask that many jobs, so that it takes a few seconds."""
    if model.name == SHAPE:
        return 2 if jobs == 1 else 1
    return STANDIN_SERIAL_BATCHES if contender.is_serial else max(2, STANDIN_BATCHES // jobs)


def _asked(session: Session, jobs: Sequence[Job]) -> list[Outcome]:
    outcomes = session.ask(jobs)
    check(jobs, outcomes)
    return outcomes


def _seconds(batch: Sequence[Outcome]) -> float:
    return max(one.ended for one in batch) - min(one.asked for one in batch)


def _all_begun(batch: Sequence[Outcome]) -> float | None:
    firsts = [one.first for one in batch if one.first is not None]
    return max(firsts) if len(firsts) == len(batch) else None


def _prefill_rate(batch: Sequence[Outcome]) -> float | None:
    begun = _all_begun(batch)
    if begun is None:
        return None
    return sum(one.prompt_tokens for one in batch) / (begun - min(one.asked for one in batch))


def _decode_rate(batch: Sequence[Outcome]) -> float | None:
    begun = _all_begun(batch)
    ended = max(one.ended for one in batch)
    if begun is None or ended <= begun:
        return None
    return sum(one.tokens - 1 for one in batch) / (ended - begun)


def _rates(cells: _Cells) -> list[Figure]:
    figures = []
    for (contender, _), cell in cells.items():
        rates = tuple(sample.tokens_per_second for sample in cell.samples)
        figures.append(Figure(_name(cell), "tokens/s", rates))
        if contender.name == RAW.name:
            for what in ("prefill", "decode"):
                parts = [getattr(sample, f"{what}_per_second") for sample in cell.samples]
                if all(parts):
                    figures.append(Figure(f"{_name(cell)}, {what}", "tokens/s", tuple(parts)))
    return figures


def _comparisons(cells: _Cells, comparisons: Sequence[Comparison]) -> list[Figure]:
    figures = []
    for over, jobs, under, several, bar in comparisons:
        others = [cells.get((under, each)) for each in several]
        cell = cells.get((over, jobs))
        present = [other for other in others if other is not None]
        if cell is None or not present:
            continue
        best = [
            max(samples, key=lambda sample: sample.tokens_per_second).tokens_per_second
            for samples in zip(*(other.samples for other in present), strict=True)
        ]
        values = tuple(
            sample.tokens_per_second / other
            for sample, other in zip(cell.samples, best, strict=True)
        )
        names = " or ".join(str(other.jobs) for other in present)
        # The bars are for a model large enough to be worth the cores; the stand-in is not.
        kept = bar if cell.model == SHAPE else None
        figures.append(Figure(f"{_name(cell)} / {under.name} with {names}", "×", values, kept))
    return figures


def _costs(cells: _Cells) -> list[Figure]:
    """CPU time and memory at each contender's highest number of jobs."""
    figures = []
    for contender in dict.fromkeys(contender for contender, _ in cells):
        jobs = max(jobs for other, jobs in cells if other is contender)
        cell = cells[contender, jobs]
        cpu = tuple(sample.cpu_ms_per_token for sample in cell.samples)
        peak = tuple(sample.peak_mib for sample in cell.samples)
        figures.append(Figure(f"{_name(cell)}: processor time", "ms/token", cpu))
        figures.append(Figure(f"{_name(cell)}: peak memory", "MiB", peak))
    return figures


def _name(cell: Cell) -> str:
    return f"{cell.contender}, {cell.jobs} job{'s' if cell.jobs > 1 else ''}"
