"""What is measured on a card: the engine, the raw loop and llama-server, each with equal slots."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from aistratus_daemon.engine.settings import Switch
from engine_bench.contenders.contender import Contender, Setup
from engine_bench.contenders.engine import EngineSession, open_engine
from engine_bench.contenders.http_server import HttpSession, open_llama_server
from engine_bench.contenders.raw_loop import RAW, open_raw

OpenEngine = Callable[[Setup], AbstractContextManager[EngineSession]]


@dataclass(frozen=True, slots=True)
class Contenders:
    """All three; `open_engine` for whoever talks to the engine itself."""

    raw: Contender
    server: Contender
    engine: Contender
    open_engine: OpenEngine


def contenders(*, is_cpu: bool) -> Contenders:
    """They compute on the card, or without one on the processor.

    The processor's model is the tiny one: too small for llama.cpp's kernels for repacked weights,
    and for more than one thread.
    """
    repack = Switch.OFF if is_cpu else Switch.AUTO
    more = ["--no-repack", "--threads", "1"] if is_cpu else ["-ngl", "999"]
    variables = {
        "AISTRATUS_ENGINE_GPU": Switch.OFF if is_cpu else Switch.ON,
        "AISTRATUS_ENGINE_REPACK": repack,
    }

    @contextmanager
    def engine(setup: Setup) -> Iterator[EngineSession]:
        slots = str(setup.jobs)
        with open_engine(setup, AISTRATUS_ENGINE_SLOTS=slots, **variables) as session:
            yield session

    @contextmanager
    def server(setup: Setup) -> Iterator[HttpSession]:
        slots, context = str(setup.jobs), str(setup.jobs * setup.model.context)
        chosen = ("-np", slots, "-c", context, *more)
        with open_llama_server(setup, *chosen, streamed=False) as session:
            yield session

    return Contenders(
        Contender(RAW.name, lambda setup: open_raw(setup, repack, threads=int(is_cpu))),
        Contender("llama-server", server),
        Contender("engine", engine),
        engine,
    )
