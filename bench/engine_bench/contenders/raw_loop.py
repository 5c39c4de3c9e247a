"""llama.cpp's batched decoding with nothing around it: the ceiling that an engine can reach.

One context has a sequence for each job; every prompt is computed by itself, then the likeliest
token of every sequence, step by step. The prompts' tokens are random: only their number matters.
"""

import argparse
import ctypes
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from aistratus_daemon.engine.llama import is_repacked
from aistratus_daemon.engine.settings import Switch
from engine_bench.contenders.child import ChildSession, open_child, serve
from engine_bench.contenders.contender import Contender, Setup
from engine_bench.errors import BenchError
from engine_bench.processes import cores
from engine_bench.workload import Job, Outcome

CONTEXT: Final = 2048
BATCH_TOKENS: Final = 2048
SEED: Final = 1
# Ids of tokens that are one character in the shape model.
_TOKENS: Final = (300, 31_000)
_QUIET: Final = llama_cpp.llama_log_callback(lambda *_: None)


@contextmanager
def open_raw(
    setup: Setup, repack: Switch = Switch.AUTO, threads: int = 0
) -> Iterator[ChildSession]:
    """A loop with as many sequences as there will be jobs; 0 threads means one for each core."""
    threads = threads or cores()
    options = (f"--sequences={setup.jobs}", f"--repack={repack}", f"--threads={threads}")
    with open_child(setup, "raw_loop", *options) as session:
        yield session


RAW: Final = Contender("raw loop", open_raw)


class _Loop:
    """The child's work."""

    def __init__(self, model_file: Path, sequences: int, repack: Switch, threads: int) -> None:
        llama_cpp.llama_log_set(_QUIET, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        loading = llama_cpp.llama_model_default_params()
        # As the engine has it.
        system_info = llama_cpp.llama_print_system_info().decode()
        loading.use_extra_bufts = is_repacked(repack, system_info)
        self._model = llama_cpp.llama_model_load_from_file(str(model_file).encode(), loading)
        self._vocabulary = llama_cpp.llama_vocab_n_tokens(
            llama_cpp.llama_model_get_vocab(self._model)
        )
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = CONTEXT * sequences
        parameters.n_seq_max = sequences
        parameters.n_batch = BATCH_TOKENS
        parameters.kv_unified = False
        parameters.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED
        parameters.n_threads = parameters.n_threads_batch = threads
        parameters.no_perf = True
        self._context = llama_cpp.llama_init_from_model(self._model, parameters)
        if not self._context:
            raise BenchError(f"llama.cpp could not make a context of {sequences} sequences.")
        self._batch = llama_cpp.llama_batch_init(BATCH_TOKENS, 0, 1)
        self._random = np.random.default_rng(SEED)

    def answer(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Answer all jobs at once; each gets as many tokens as the first wants."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._context), False)
        asked = time.monotonic()
        firsts, tokens = [], []
        for sequence, job in enumerate(jobs):
            tokens.append(self._prefill(sequence, job.prompt_tokens))
            firsts.append(time.monotonic())
        for step in range(1, jobs[0].max_tokens):
            tokens = self._step(tokens, [job.prompt_tokens + step - 1 for job in jobs])
        ended = time.monotonic()
        return [
            Outcome(asked, first, ended, job.prompt_tokens, job.max_tokens)
            for job, first in zip(jobs, firsts, strict=True)
        ]

    def _prefill(self, sequence: int, count: int) -> int:
        for position, token in enumerate(self._random.integers(*_TOKENS, count)):
            self._put(position, int(token), position, sequence, is_last=position == count - 1)
        return int(self._decoded(count, 1)[0])

    def _step(self, tokens: Sequence[int], positions: Sequence[int]) -> list[int]:
        for sequence, (token, position) in enumerate(zip(tokens, positions, strict=True)):
            self._put(sequence, token, position, sequence, is_last=True)
        return list(map(int, self._decoded(len(tokens), len(tokens))))

    def _put(self, row: int, token: int, position: int, sequence: int, *, is_last: bool) -> None:
        batch = self._batch
        batch.token[row] = token
        batch.pos[row] = position
        batch.n_seq_id[row] = 1
        batch.seq_id[row][0] = sequence
        batch.logits[row] = is_last

    def _decoded(self, count: int, rows: int) -> NDArray[np.int64]:
        """Compute the batch; returns the likeliest token of each row that has logits."""
        self._batch.n_tokens = count
        status = llama_cpp.llama_decode(self._context, self._batch)
        if status != 0:
            raise BenchError(f"llama.cpp could not compute a batch (status {status}).")
        logits: Any = llama_cpp.llama_get_logits(self._context)
        likeliest: NDArray[np.int64] = np.ctypeslib.as_array(
            logits, (rows, self._vocabulary)
        ).argmax(axis=1)
        return likeliest


def main() -> None:
    """Answer what comes on standard input."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--sequences", type=int, required=True)
    parser.add_argument("--repack", type=Switch, choices=list(Switch), required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    loop = _Loop(options.model, options.sequences, options.repack, options.threads)
    serve(loop.answer)


if __name__ == "__main__":
    main()
