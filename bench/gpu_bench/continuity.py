"""An answer goes on in another engine, and a cancelled one ends: both as a worker has it."""

import time
from dataclasses import dataclass, replace
from typing import Final

from aistratus_contracts.job import Message, Sampling
from aistratus_contracts.states import FinishReason, Role
from aistratus_daemon.frames import Cancel, Done, Failed, Generate, Tokens
from engine_bench import shape
from engine_bench.bench import Bench
from engine_bench.contenders.engine import PATIENCE_SECONDS, EngineSession
from engine_bench.errors import BenchError
from engine_bench.figures import Figure, Found
from engine_bench.models import BenchModel
from gpu_bench.contenders import OpenEngine

PROMPT_TOKENS: Final = 64
ANSWER_TOKENS: Final = 64
CUT: Final = 24
"""After so many tokens the first engine is gone."""

LONG: Final = 1024
_QUICK_DIVISOR: Final = 4
_ROUNDING: Final = (
    "A card rounds differently for other batch shapes, and with random weights two tokens are "
    "often all but equal: a resumed answer may leave the uncut one's way."
)


@dataclass(frozen=True, slots=True)
class _Heard:
    """One answer's tokens, and the seconds until the first of them and until its end."""

    tokens: tuple[int, ...]
    first_seconds: float
    end: Done | None
    end_seconds: float


def measure(bench: Bench, model: BenchModel, open_engine: OpenEngine) -> Found:
    """Cut an answer and continue it elsewhere; cancel one, and ask again."""
    divisor = _QUICK_DIVISOR if bench.is_quick else 1
    cut, length = CUT // divisor, ANSWER_TOKENS // divisor
    request = _request("whole", length)
    with open_engine(bench.setup(model, 1)) as session:
        whole = _answer(session, request)
        cancelled = _cancelled(session, cut)
        begun = _answer(session, replace(request, job_id="cut", cache_key="cut"), until=cut)
    with open_engine(bench.setup(model, 1)) as session:
        resumed = _answer(session, replace(request, job_id="cut", committed=begun.tokens[:cut]))
    joined = (*begun.tokens[:cut], *resumed.tokens)
    equal = sum(one == other for one, other in zip(joined, whole.tokens, strict=False))
    bench.progress(f"{equal} of {length} tokens are those of the uncut answer")
    figures = [
        Figure("a resumed answer's tokens", f"of {length}", (float(len(joined)),)),
        Figure("those of them as in the uncut answer", f"of {length}", (float(equal),)),
        Figure("a resumed answer's first new token", "s", (resumed.first_seconds,)),
        Figure("from a cancel to its answer's end", "s", (cancelled,)),
    ]
    return Found(figures, notes=[_ROUNDING])


def _cancelled(session: EngineSession, after: int) -> float:
    """The seconds from a cancel to the end of its answer; the slot then serves another."""
    request = _request("long", LONG)
    session.send(request)
    _listen(session, request.job_id, time.monotonic(), until=after)
    asked = time.monotonic()
    session.send(Cancel(request.job_id))
    heard = _listen(session, request.job_id, asked)
    if heard.end is None or heard.end.finish_reason is not FinishReason.CANCELLED:
        raise BenchError(f"A cancelled answer ended as {heard.end}.")
    _answer(session, _request("after", after))
    return heard.end_seconds


def _request(name: str, max_tokens: int) -> Generate:
    text = shape.text_of(PROMPT_TOKENS, seed=len(name))
    sampling = Sampling(max_tokens=max_tokens, temperature=0.0)
    return Generate(name, name, (Message(Role.USER, text),), sampling)


def _answer(session: EngineSession, request: Generate, until: int | None = None) -> _Heard:
    asked = time.monotonic()
    session.send(request)
    return _listen(session, request.job_id, asked, until=until)


def _listen(session: EngineSession, job_id: str, asked: float, until: int | None = None) -> _Heard:
    """Listen until the answer's end, or until it has so many tokens."""
    tokens: list[int] = []
    first: float | None = None
    while until is None or len(tokens) < until:
        frame = session.receive(PATIENCE_SECONDS)
        now = time.monotonic() - asked
        match frame:
            case Tokens(items):
                new = [token for item in items if item.job_id == job_id for token in item.token_ids]
                first = now if first is None and new else first
                tokens += new
            case Done() if frame.job_id == job_id:
                return _Heard(tuple(tokens), first or now, frame, now)
            case Failed() if frame.job_id == job_id:
                raise BenchError(f"The engine failed a job: {frame.message}")
            case None:
                raise BenchError(f"The engine said nothing for {PATIENCE_SECONDS:.0f} seconds.")
            case _:
                pass  # other jobs, notices and statistics
    now = time.monotonic() - asked
    return _Heard(tuple(tokens), first or now, None, now)
