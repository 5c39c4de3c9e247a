"""What the engine itself adds to llama.cpp's time, per token.

The engine's parts run in this process, and calls into llama.cpp are timed: a step's own time is
the rest. Frames are encoded as for the socket, and dropped.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import llama_cpp

from aistratus_contracts.job import Message, Sampling
from aistratus_contracts.states import Role
from aistratus_daemon.engine.forms import Forms
from aistratus_daemon.engine.llama import Llama
from aistratus_daemon.engine.scheduler import Scheduler
from aistratus_daemon.engine.settings import EngineSettings, Switch
from aistratus_daemon.frames import Done, Failed, Frame, Generate, Tokens, encode_frame
from engine_bench import shape
from engine_bench.errors import BenchError

PROMPT_TOKENS: Final = 16
# Extra tokens of an answer, which goes on while others are still beginning.
SPARE_TOKENS: Final = 192
# By then the scheduler knows in which batches steps with all answers are fastest.
WARM_UP_STEPS: Final = 10
SAMPLERS: Final[dict[str, dict[str, float]]] = {
    "greedy": {"temperature": 0.0},
    "chain": {
        "temperature": 0.8,
        "top_k": 40,
        "top_p": 0.95,
        "min_p": 0.05,
        "seed": 1,
    },
}
SAMPLERS["chain with repeat penalty"] = {**SAMPLERS["chain"], "repeat_penalty": 1.1}


@dataclass(frozen=True, slots=True)
class OwnTime:
    """Microseconds for each token: ours, llama.cpp's samplers, and its decoding."""

    own_us: float
    sampling_us: float
    decode_us: float
    tokens: int


@dataclass
class _Clock:
    """How long the calls of one function took."""

    seconds: float = 0.0
    calls: int = 0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                self.seconds += time.perf_counter() - began
                self.calls += 1

        return timed

    def reset(self) -> None:
        self.seconds, self.calls = 0.0, 0


@dataclass
class _Sink:
    """Where the frames go."""

    begun: set[str] = field(default_factory=set)

    def send(self, frame: Frame) -> None:
        encode_frame(frame)
        match frame:
            case Tokens(items):
                self.begun.update(item.job_id for item in items)
            case Done() | Failed():
                raise BenchError(f"An answer ended while it was measured: {frame}")
            case _:
                pass


def own_time(
    llama: Llama, sampling: Sampling, steps: int, clocks: tuple[_Clock, _Clock]
) -> OwnTime:
    """Measure that many steps in which every slot has a running answer."""
    sink = _Sink()
    scheduler = Scheduler(llama, sink.send, Forms(llama.vocabulary, lambda: None))
    content = PROMPT_TOKENS - shape.PROMPT_TOKENS - shape.MESSAGE_TOKENS
    for number in range(llama.slots):
        text = shape.text_of(content, number)
        name = f"job-{number}"
        scheduler.generate(Generate(name, name, (Message(Role.USER, text),), sampling))
    while len(sink.begun) < llama.slots:
        scheduler.step()
    for _ in range(WARM_UP_STEPS):
        scheduler.step()
    decode, sample = clocks
    for clock in clocks:
        clock.reset()
    before = scheduler.counters.predicted_tokens
    began = time.perf_counter()
    for _ in range(steps):
        scheduler.step()
    elapsed = time.perf_counter() - began
    if not decode.calls:
        raise BenchError("The engine decodes by another name; its own time cannot be told.")
    tokens = scheduler.counters.predicted_tokens - before
    scheduler.drop_all()
    for sequence in range(llama.slots):
        llama.forget(sequence)
    return OwnTime(
        own_us=(elapsed - decode.seconds - sample.seconds) / tokens * 1e6,
        sampling_us=sample.seconds / tokens * 1e6,
        decode_us=decode.seconds / tokens * 1e6,
        tokens=tokens,
    )


def main() -> None:
    """Measure each sampler; one JSON object on standard output."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--slots", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--repack", default=Switch.AUTO, choices=list(Switch))
    options = parser.parse_args()
    decode, sample = _Clock(), _Clock()
    llama_cpp.llama_decode = decode.around(llama_cpp.llama_decode)
    llama_cpp.llama_sampler_apply = sample.around(llama_cpp.llama_sampler_apply)
    settings = EngineSettings(
        Path(), options.model, "", slots=options.slots, repack=Switch(options.repack)
    )
    llama = Llama(settings)
    found = {}
    for name, chosen in SAMPLERS.items():
        sampling: Any = {"max_tokens": options.steps + SPARE_TOKENS, **chosen}
        taken = own_time(llama, Sampling(**sampling), options.steps, (decode, sample))
        found[name] = asdict(taken)
    llama.close()
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
