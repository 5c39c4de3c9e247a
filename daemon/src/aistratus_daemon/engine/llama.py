"""llama.cpp through llama-cpp-python's raw bindings: load, decode, and manage its memory.

Python stays off the hot path: the batch's arrays are numpy's, filled by slices and read by
llama.cpp in place, and logits are read where llama.cpp has put them.
"""

import ctypes
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from aistratus_daemon.engine import machine
from aistratus_daemon.engine.settings import CacheType, EngineSettings, Switch
from aistratus_daemon.engine.vocabulary import Vocabulary
from aistratus_daemon.errors import DecodeError, ModelError

log = logging.getLogger("engine")

Logits = NDArray[np.float32]
State = NDArray[np.uint8]

_FLASH_ATTENTION: Final = {Switch.AUTO: -1, Switch.OFF: 0, Switch.ON: 1}
_CACHE_TYPES: Final = {
    CacheType.F16: llama_cpp.GGML_TYPE_F16,
    CacheType.Q8_0: llama_cpp.GGML_TYPE_Q8_0,
}
# Bytes of one number in the cache; Q8_0 has 34 bytes for 32 numbers.
_CACHE_BYTES: Final = {CacheType.F16: 2.0, CacheType.Q8_0: 34 / 32}
# What llama_decode returns when its abort callback has stopped it.
_ABORTED: Final = 2


@dataclass
class _Batch:
    """llama.cpp's batch over our own arrays."""

    tokens: NDArray[np.int32]
    positions: NDArray[np.int32]
    sequences: NDArray[np.int32]
    wants_logits: NDArray[np.int8]
    native: Any
    _kept: tuple[Any, ...]

    @classmethod
    def of_size(cls, size: int) -> "_Batch":
        tokens, positions, sequences, counts = (np.zeros(size, np.int32) for _ in range(4))
        counts[:] = 1
        wants_logits = np.zeros(size, np.int8)
        start, step = sequences.ctypes.data, sequences.itemsize
        pointers = np.arange(start, start + size * step, step, dtype=np.uintp)
        native = llama_cpp.llama_batch(
            n_tokens=0,
            token=tokens.ctypes.data_as(ctypes.POINTER(llama_cpp.llama_token)),
            embd=None,
            pos=positions.ctypes.data_as(ctypes.POINTER(llama_cpp.llama_pos)),
            n_seq_id=counts.ctypes.data_as(ctypes.POINTER(ctypes.c_int32)),
            seq_id=pointers.ctypes.data_as(ctypes.POINTER(ctypes.POINTER(llama_cpp.llama_seq_id))),
            logits=wants_logits.ctypes.data_as(ctypes.POINTER(ctypes.c_int8)),
        )
        return cls(tokens, positions, sequences, wants_logits, native, (counts, pointers))


class Llama:
    """A loaded model with a context of `slots` sequences, each of `context` tokens."""

    def __init__(self, settings: EngineSettings) -> None:
        llama_cpp.llama_log_set(_log_callback, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        self._model = _load(settings)
        vocab = llama_cpp.llama_model_get_vocab(self._model)
        if vocab is None:
            raise ModelError(f"{settings.model_file} holds no vocabulary; use another file.")
        self.vocabulary = Vocabulary(self._model, vocab, settings.model_file)
        trained = llama_cpp.llama_model_n_ctx_train(self._model)
        self.context = min(settings.context or trained, trained)
        here = machine.look()
        self.slots = settings.slots or here.slots(
            int(self.context * self._bytes_per_token(settings.cache_type))
        )
        self.batch_tokens = settings.batch_tokens
        threads = settings.threads or here.threads(settings.model_file.stat().st_size)
        self._ctx = self._new_context(settings, threads)
        self._memory = llama_cpp.llama_get_memory(self._ctx)
        self._batch = _Batch.of_size(max(self.batch_tokens, self.slots))
        self._interruption: Any = None
        self._view: Logits = np.empty((0, self.vocabulary.size), np.float32)
        self._viewed = 0

    def _bytes_per_token(self, cache_type: CacheType) -> float:
        """Bytes that one token's keys and values take, over all layers."""
        heads = llama_cpp.llama_model_n_head(self._model)
        width = llama_cpp.llama_model_n_embd(self._model) // max(1, heads)
        layers = llama_cpp.llama_model_n_layer(self._model)
        numbers: int = 2 * width * llama_cpp.llama_model_n_head_kv(self._model) * layers
        return numbers * _CACHE_BYTES[cache_type]

    def _new_context(self, settings: EngineSettings, threads: int) -> Any:
        parameters = llama_cpp.llama_context_default_params()
        # Each sequence has cells of its own (not unified): a step's attention reads only what
        # belongs to its sequence.
        parameters.kv_unified = False
        parameters.n_ctx = self.context * self.slots
        parameters.n_seq_max = self.slots
        parameters.n_batch = max(settings.batch_tokens, self.slots)
        parameters.n_ubatch = min(settings.micro_batch_tokens, parameters.n_batch)
        # Logits are needed for one token of each sequence, not for a whole prompt.
        parameters.n_outputs_max = self.slots
        parameters.n_threads = threads
        parameters.n_threads_batch = threads
        parameters.flash_attn_type = _FLASH_ATTENTION[settings.flash_attention]
        parameters.type_k = parameters.type_v = _CACHE_TYPES[settings.cache_type]
        parameters.no_perf = True
        context = llama_cpp.llama_init_from_model(self._model, parameters)
        _log_held_back()
        if not context:
            raise ModelError(
                f"There is not enough memory for {self.slots} conversations of {self.context} "
                "tokens; lower AISTRATUS_ENGINE_SLOTS or AISTRATUS_ENGINE_CONTEXT."
            )
        return context

    def close(self) -> None:
        """Give back what llama.cpp holds."""
        llama_cpp.llama_free(self._ctx)
        llama_cpp.llama_model_free(self._model)

    # --- computing ---

    def decode_rows(
        self, tokens: Sequence[int], positions: Sequence[int], sequences: Sequence[int]
    ) -> Logits:
        """Compute one token of each sequence; returns logits (rows, vocabulary), in order.

        They are llama.cpp's own memory, valid until it computes again. Raises `DecodeError`.
        """
        count = len(tokens)
        batch = self._batch
        batch.tokens[:count] = tokens
        batch.positions[:count] = positions
        batch.sequences[:count] = sequences
        batch.wants_logits[:count] = 1
        self._compute(count)
        return self._logits(count)

    def decode_prompt(
        self, tokens: Sequence[int], position: int, sequence: int, *, wants_logits: bool
    ) -> Logits | None:
        """Compute tokens of one sequence from `position` on.

        Returns the last token's logits (1, vocabulary) if they are wanted, or None if the
        computation was interrupted (`interrupt_when`): then nothing of it is in memory. Raises
        `DecodeError`.
        """
        count = len(tokens)
        batch = self._batch
        batch.tokens[:count] = tokens
        batch.positions[:count] = np.arange(position, position + count, dtype=np.int32)
        batch.sequences[:count] = sequence
        batch.wants_logits[:count] = 0
        batch.wants_logits[count - 1] = wants_logits
        if not self._compute(count):
            # Drop micro-batches finished before the interruption: they are computed again.
            self.forget(sequence, position)
            return None
        return self._logits(int(wants_logits))

    def interrupt_when(self, is_wanted: Callable[[], bool] | None) -> None:
        """From now on, interrupt a computation as soon as this returns true; None for never.

        llama.cpp asks before each operation of a graph, and only on a CPU.
        """
        ask = llama_cpp.ggml_abort_callback()
        if is_wanted is not None:
            ask = llama_cpp.ggml_abort_callback(lambda _: is_wanted())
        llama_cpp.llama_set_abort_callback(self._ctx, ask, ctypes.c_void_p(0))
        self._interruption = ask  # llama.cpp holds the pointer

    def _compute(self, count: int) -> bool:
        """Compute the batch; returns False if it was interrupted."""
        self._batch.native.n_tokens = count
        _log_held_back()
        status = llama_cpp.llama_decode(self._ctx, self._batch.native)
        if status == _ABORTED:
            _held_back.clear()
            return False
        _log_held_back()
        if status != 0:
            raise DecodeError(f"llama.cpp could not compute a batch (status {status}).")
        return True

    def _logits(self, rows: int) -> Logits:
        if not rows:
            # Without this, a GPU's work would count towards the next computation's time.
            llama_cpp.llama_synchronize(self._ctx)
            return self._view[:0]
        pointer = llama_cpp.llama_get_logits(self._ctx)
        address = ctypes.addressof(pointer.contents)
        if address != self._viewed:
            # llama.cpp's buffer has room for one row of each sequence, and seldom moves.
            self._viewed = address
            self._view = np.ctypeslib.as_array(pointer, (self.slots, self.vocabulary.size))
        return self._view[:rows]

    # --- memory ---

    def forget(self, sequence: int, position: int = 0) -> None:
        """Drop what a sequence holds from `position` on."""
        llama_cpp.llama_memory_seq_rm(self._memory, sequence, position, -1)

    def move(self, source: int, target: int) -> None:
        """Move all that `source` holds to `target`, whose own content is dropped."""
        self.forget(target)
        llama_cpp.llama_memory_seq_cp(self._memory, source, target, -1, -1)
        self.forget(source)

    def save(self, sequence: int) -> State:
        """A copy of what a sequence holds, in the host's memory."""
        size = llama_cpp.llama_state_seq_get_size(self._ctx, sequence)
        state = np.empty(size, np.uint8)
        written = llama_cpp.llama_state_seq_get_data(self._ctx, _bytes(state), size, sequence)
        return state[:written]

    def load(self, state: State, sequence: int) -> bool:
        """Load a saved state into a sequence; returns False and leaves it empty on failure."""
        self.forget(sequence)
        read = llama_cpp.llama_state_seq_set_data(self._ctx, _bytes(state), len(state), sequence)
        if read != len(state):
            self.forget(sequence)
            return False
        return True


def _load(settings: EngineSettings) -> Any:
    parameters = llama_cpp.llama_model_default_params()
    parameters.n_gpu_layers = settings.gpu_layers
    parameters.use_extra_bufts = is_repacked(
        settings.repack, llama_cpp.llama_print_system_info().decode()
    )
    model = llama_cpp.llama_model_load_from_file(str(settings.model_file).encode(), parameters)
    _log_held_back()
    if not model:
        raise ModelError(f"llama.cpp cannot load {settings.model_file}; its log says why.")
    return model


def is_repacked(wanted: Switch, system_info: str) -> bool:
    """Whether weights are put in the processor's order; `system_info` is llama.cpp's.

    With AMX they are not unless that is wanted: on some machines llama.cpp's kernels for it crash
    on the first prompt (llama.cpp#20824; seen here with Q4_K_M on a virtual Sapphire Rapids).
    """
    return wanted is Switch.ON or (wanted is Switch.AUTO and "AMX_INT8 = 1" not in system_info)


def _bytes(state: State) -> Any:
    return state.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))


_LEVELS: Final = {3: logging.WARNING, 4: logging.ERROR}
# llama.cpp logs an interruption that we asked for as an error; we know it as ours only afterwards.
_held_back: list[tuple[int, str]] = []


def _log_line(level: int, text: bytes, _user_data: ctypes.c_void_p) -> None:
    """Keep llama.cpp's warnings and errors for our log; drop its chatter."""
    if level in _LEVELS and (line := text.decode(errors="replace").strip()):
        _held_back.append((_LEVELS[level], line))


def _log_held_back() -> None:
    for level, line in _held_back:
        log.log(level, line)
    _held_back.clear()


# Kept for the life of the process: llama.cpp holds the pointer.
_log_callback = llama_cpp.llama_log_callback(_log_line)
