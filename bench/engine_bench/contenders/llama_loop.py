"""A plain loop over llama-cpp-python's `Llama`, one job after the other: the usual way to start."""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import llama_cpp

from engine_bench.contenders.child import ChildSession, open_child, serve
from engine_bench.contenders.contender import Contender, Setup
from engine_bench.processes import cores
from engine_bench.workload import Job, Outcome


@contextmanager
def open_loop(setup: Setup, *, threads: int) -> Iterator[ChildSession]:
    """A loop for the length of a block; 0 threads means `Llama`'s own default."""
    arguments = (f"--context={setup.model.context}", f"--threads={threads}")
    with open_child(setup, "llama_loop", *arguments) as session:
        yield session


LLAMA: Final = Contender("Llama()", partial(open_loop, threads=0), is_serial=True)
LLAMA_ALL_CORES: Final = Contender(
    "Llama(), all cores", partial(open_loop, threads=cores()), is_serial=True
)


class _Loop:
    """The child's work."""

    def __init__(self, model: Path, context: int, threads: int) -> None:
        self._llama = llama_cpp.Llama(
            str(model), n_ctx=context, n_threads=threads or None, verbose=False
        )
        # A stream's chunk need not be one token: count where tokens are chosen.
        self._sampled = 0
        self._llama.sample = self._counted(self._llama.sample)  # type: ignore[method-assign]

    def answer(self, jobs: Sequence[Job]) -> list[Outcome]:
        """One after the other, all asked at the same moment."""
        asked = time.monotonic()
        return [self._one(job, asked) for job in jobs]

    def _one(self, job: Job, asked: float) -> Outcome:
        self._sampled = 0
        messages: Any = [{"role": role, "content": text} for role, text in job.turns]
        chunks: Any = self._llama.create_chat_completion(
            messages, temperature=0.0, max_tokens=job.max_tokens, stream=True
        )
        first, text, reason = None, "", None
        for chunk in chunks:
            choice = chunk["choices"][0]
            if piece := choice["delta"].get("content"):
                first = first or time.monotonic()
                text += piece
            reason = choice["finish_reason"] or reason
        ended = time.monotonic()
        # The last token is chosen but not computed; an end token does not belong to the answer.
        prompt_tokens = self._llama.n_tokens + 1 - self._sampled
        tokens = self._sampled - int(reason == "stop")
        return Outcome(asked, first, ended, prompt_tokens, tokens, text)

    def _counted(self, sample: Callable[..., int]) -> Callable[..., int]:
        def counting(*arguments: Any, **named: Any) -> int:
            self._sampled += 1
            return sample(*arguments, **named)

        return counting


def main() -> None:
    """Answer what comes on standard input."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--context", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    serve(_Loop(options.model, options.context, options.threads).answer)


if __name__ == "__main__":
    main()
