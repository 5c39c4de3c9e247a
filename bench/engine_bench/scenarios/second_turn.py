"""A conversation's next turn: its first token, against the same prompt with nothing computed."""

from typing import Final

from engine_bench.bench import Bench, Scenario, first_seconds
from engine_bench.contenders.contender import Contender, Session
from engine_bench.contenders.engine import ENGINE
from engine_bench.contenders.http_server import LLAMA_SERVER, llama_server_path
from engine_bench.figures import Bar, Figure, Found, at_most
from engine_bench.models import BenchModel
from engine_bench.options import SHAPE
from engine_bench.workload import check, elsewhere, new_jobs, next_turn

# The first prompt and its answer: together the history.
FIRST_PROMPT_TOKENS: Final = 384
FIRST_ANSWER_TOKENS: Final = 128
QUESTION_TOKENS: Final = 16
SECOND_ANSWER_TOKENS: Final = 4
CONVERSATIONS: Final = 2
_PLAN: Final[dict[Contender, Bar | None]] = {ENGINE: at_most(0.10), LLAMA_SERVER: None}


def _run(bench: Bench) -> Found:
    found = Found()
    model = bench.models[SHAPE]
    pairs: dict[Contender, list[tuple[float, float]]] = {}
    for number in range(1, bench.rounds + 1):
        for contender in _PLAN:
            if contender is LLAMA_SERVER and llama_server_path() is None:
                continue
            with bench.session(contender, model, 1) as session:
                session.ask(new_jobs(model, 1))
                each = [_pair(bench, session, model) for _ in range(CONVERSATIONS)]
            warm, cold = (sum(values) / len(values) for values in zip(*each, strict=True))
            pairs.setdefault(contender, []).append((warm, cold))
            bench.progress(
                f"round {number}/{bench.rounds}, {contender.name}: {warm:.3f} s, cold {cold:.3f} s"
            )
    for contender, values in pairs.items():
        warms, colds = zip(*values, strict=True)
        ratio = tuple(warm / cold for warm, cold in values)
        found.figures += [
            Figure(f"{contender.name}, second turn: first token", "s", warms),
            Figure(f"{contender.name}, the same prompt cold", "s", colds),
            Figure(f"{contender.name}, second turn / cold", "×", ratio, _PLAN[contender]),
        ]
    return found


def _pair(bench: Bench, session: Session, model: BenchModel) -> tuple[float, float]:
    """First-token seconds of the second turn: in its conversation, and in a new one."""
    shrink = 4 if bench.is_quick else 1
    [first] = jobs = new_jobs(
        model,
        1,
        prompt_tokens=FIRST_PROMPT_TOKENS // shrink,
        max_tokens=FIRST_ANSWER_TOKENS // shrink,
    )
    outcomes = session.ask(jobs)
    check(jobs, outcomes)
    second = next_turn(
        first,
        outcomes[0].text,
        question_tokens=QUESTION_TOKENS,
        max_tokens=SECOND_ANSWER_TOKENS,
    )
    return first_seconds(session, second), first_seconds(session, elsewhere(second))


SECOND_TURN: Final = Scenario(
    "second_turn", "The second turn of a conversation of 512 tokens", (SHAPE,), _run
)
