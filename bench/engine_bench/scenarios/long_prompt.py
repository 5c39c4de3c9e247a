"""A short prompt that arrives while a long one is computed: what each costs the other."""

import statistics
from dataclasses import dataclass
from typing import Final

from engine_bench.bench import Bench, Scenario, first_seconds
from engine_bench.contenders.contender import Contender, Session
from engine_bench.contenders.engine import ENGINE
from engine_bench.contenders.http_server import (
    LLAMA_SERVER,
    LLAMA_SERVER_SMALL_BATCH,
    llama_server_path,
)
from engine_bench.figures import Figure, Found, at_most
from engine_bench.models import BenchModel
from engine_bench.options import SHAPE
from engine_bench.workload import ANSWER_TOKENS, Job, check, new_jobs

LONG_TOKENS: Final = 1500
QUICK_LONG_TOKENS: Final = 300
LONG_ANSWER_TOKENS: Final = 8
SHORT_TOKENS: Final = 16
ARRIVES_AFTER_SECONDS: Final = 0.2
SHORT_ALONE_TIMES: Final = 3
SHORT_BAR: Final = at_most(3.0)
LONG_BAR: Final = at_most(1.15)
_CONTENDERS: Final = (ENGINE, LLAMA_SERVER, LLAMA_SERVER_SMALL_BATCH)


@dataclass(frozen=True, slots=True)
class _Times:
    """Seconds to the first token."""

    short_alone: float
    long_alone: float
    short_beside: float
    long_beside: float


def _run(bench: Bench) -> Found:
    found = Found()
    model = bench.models[SHAPE]
    contenders = _CONTENDERS if llama_server_path() else (ENGINE,)
    rounds: dict[Contender, list[_Times]] = {contender: [] for contender in contenders}
    for number in range(1, bench.rounds + 1):
        for contender in contenders:
            with bench.session(contender, model, 2) as session:
                times = _times(bench, session, model)
            rounds[contender].append(times)
            bench.progress(
                f"round {number}/{bench.rounds}, {contender.name}: "
                f"short {times.short_alone:.2f} → {times.short_beside:.2f} s, "
                f"long {times.long_alone:.2f} → {times.long_beside:.2f} s"
            )
    for contender, several in rounds.items():
        found.figures += _figures(contender, several)
    return found


def _figures(contender: Contender, several: list[_Times]) -> list[Figure]:
    name, is_ours = contender.name, contender is ENGINE
    short = tuple(times.short_beside / times.short_alone for times in several)
    long = tuple(times.long_beside / times.long_alone for times in several)
    return [
        Figure(f"{name}, short alone: first token", "s", tuple(t.short_alone for t in several)),
        Figure(f"{name}, short in the long one", "s", tuple(t.short_beside for t in several)),
        Figure(f"{name}, long alone: first token", "s", tuple(t.long_alone for t in several)),
        Figure(f"{name}, long with the short one", "s", tuple(t.long_beside for t in several)),
        Figure(f"{name}, short: beside / alone", "×", short, SHORT_BAR if is_ours else None),
        Figure(f"{name}, long: beside / alone", "×", long, LONG_BAR if is_ours else None),
    ]


def _times(bench: Bench, session: Session, model: BenchModel) -> _Times:
    def long() -> Job:
        tokens = QUICK_LONG_TOKENS if bench.is_quick else LONG_TOKENS
        return new_jobs(model, 1, prompt_tokens=tokens, max_tokens=LONG_ANSWER_TOKENS)[0]

    def short() -> Job:
        tokens = ANSWER_TOKENS // (4 if bench.is_quick else 1)
        return new_jobs(model, 1, prompt_tokens=SHORT_TOKENS, max_tokens=tokens)[0]

    # A warm-up, by which a session learns the machine's speed.
    session.ask(new_jobs(model, 2, prompt_tokens=QUICK_LONG_TOKENS, max_tokens=LONG_ANSWER_TOKENS))
    short_alone = statistics.median(
        [first_seconds(session, short()) for _ in range(SHORT_ALONE_TIMES)]
    )
    long_alone = first_seconds(session, long())
    jobs = [long(), short().after(ARRIVES_AFTER_SECONDS)]
    outcomes = session.ask(jobs)
    check(jobs, outcomes)
    return _Times(short_alone, long_alone, outcomes[1].first_seconds, outcomes[0].first_seconds)


LONG_PROMPT: Final = Scenario(
    "long_prompt",
    "A prompt of 16 tokens, 200 ms into one of 1,500",
    (SHAPE,),
    _run,
)
