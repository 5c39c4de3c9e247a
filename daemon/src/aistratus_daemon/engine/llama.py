"""llama.cpp through llama-cpp-python's raw bindings: load, tokenize, decode, sample.

Only what the engine needs, with Python's part kept off the hot path: the batch's arrays are
allocated once, sampling is llama.cpp's own chain.
"""

import ctypes
import hashlib
import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import llama_cpp

from aistratus_contracts.job import Sampling
from aistratus_daemon.engine.settings import EngineSettings, default_threads
from aistratus_daemon.engine.template import ChatTemplate
from aistratus_daemon.errors import DecodeError, ModelError

log = logging.getLogger("engine")

BATCH_TOKENS: Final = 512
# How far back the repeat penalty looks, in tokens; llama.cpp's own default.
PENALTY_LAST_TOKENS: Final = 64
# Logits divided by less than this leave what a 32-bit float can hold; it is greedy by then.
MIN_TEMPERATURE: Final = 1e-3
_GGUF_MAGIC: Final = b"GGUF"
_PIECE_BYTES: Final = 512


def verify(file: Path, sha256: str) -> None:
    """Refuse a model file that is not the one that was meant, before anything parses it."""
    try:
        with file.open("rb") as stream:
            if stream.read(4) != _GGUF_MAGIC:
                raise ModelError(f"{file} is no GGUF file; fetch the model again.")
            stream.seek(0)
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{file} cannot be read ({error.strerror}); fetch the model.") from error
    if found != sha256:
        raise ModelError(f"{file} has SHA-256 {found}, not {sha256}; fetch the model again.")


class Llama:
    """A loaded model with a context of `slots` sequences, each of `context` tokens."""

    def __init__(self, settings: EngineSettings) -> None:
        llama_cpp.llama_log_set(_log_callback, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        parameters = llama_cpp.llama_model_default_params()
        parameters.n_gpu_layers = settings.gpu_layers
        model = llama_cpp.llama_model_load_from_file(str(settings.model_file).encode(), parameters)
        if not model:
            raise ModelError(f"llama.cpp cannot load {settings.model_file}; its log says why.")
        vocab = llama_cpp.llama_model_get_vocab(model)
        if vocab is None:
            raise ModelError(f"{settings.model_file} holds no vocabulary; use another file.")
        self._model, self._vocab = model, vocab
        trained = llama_cpp.llama_model_n_ctx_train(model)
        self.context = min(settings.context or trained, trained)
        self.slots = settings.slots
        self.vocabulary = llama_cpp.llama_vocab_n_tokens(vocab)
        self._ctx = self._new_context(settings)
        self._memory = llama_cpp.llama_get_memory(self._ctx)
        self._batch = llama_cpp.llama_batch_init(BATCH_TOKENS, 0, 1)
        for index in range(BATCH_TOKENS):
            self._batch.n_seq_id[index] = 1
        self._length = 0
        self._pieces: dict[int, bytes] = {}

    def _new_context(self, settings: EngineSettings) -> Any:
        parameters = llama_cpp.llama_context_default_params()
        # Each sequence has cells of its own (not unified): a step's attention reads only what
        # belongs to its sequence.
        parameters.kv_unified = False
        parameters.n_ctx = self.context * self.slots
        parameters.n_seq_max = self.slots
        parameters.n_batch = BATCH_TOKENS
        parameters.n_ubatch = BATCH_TOKENS
        threads = settings.threads or default_threads(settings.model_file.stat().st_size)
        parameters.n_threads = threads
        parameters.n_threads_batch = threads
        parameters.no_perf = True
        context = llama_cpp.llama_init_from_model(self._model, parameters)
        if not context:
            raise ModelError(
                f"There is not enough memory for {self.slots} conversations of {self.context} "
                "tokens; lower AISTRATUS_ENGINE_SLOTS or AISTRATUS_ENGINE_CONTEXT."
            )
        return context

    def close(self) -> None:
        """Give back what llama.cpp holds."""
        llama_cpp.llama_batch_free(self._batch)
        llama_cpp.llama_free(self._ctx)
        llama_cpp.llama_model_free(self._model)

    # --- text and tokens ---

    @cached_property
    def template(self) -> ChatTemplate:
        """The model file's chat template."""
        source = llama_cpp.llama_model_chat_template(self._model, None)
        if source is None:
            raise ModelError("The model file has no chat template; use a chat model.")
        return ChatTemplate(
            source.decode(),
            bos=self._special_text(llama_cpp.llama_vocab_bos(self._vocab)),
            eos=self._special_text(llama_cpp.llama_vocab_eos(self._vocab)),
        )

    @cached_property
    def control_texts(self) -> tuple[str, ...]:
        """The texts that stand for control tokens, as `</s>`."""
        control = range(self.vocabulary)
        return tuple(
            text
            for token in control
            if llama_cpp.llama_vocab_is_control(self._vocab, token)
            and (text := self._special_text(token))
        )

    def _special_text(self, token: int) -> str:
        if token < 0:
            return ""
        text: bytes = llama_cpp.llama_vocab_get_text(self._vocab, token)
        return text.decode(errors="replace")

    def tokenize(self, text: str) -> list[int]:
        """A rendered prompt as token ids; control tokens in it count as such."""
        raw = text.encode()
        bos = self._special_text(llama_cpp.llama_vocab_bos(self._vocab))
        add_special = not (bos and text.startswith(bos))
        # A byte is seldom more than one token, but a space is three bytes to llama.cpp; where the
        # room is too small it answers how much it wants, as a negative number.
        room = len(raw) + 8
        while True:
            tokens = (llama_cpp.llama_token * room)()
            count = llama_cpp.llama_tokenize(
                self._vocab, raw, len(raw), tokens, room, add_special, True
            )
            if count >= 0:
                break
            room = -count
        return tokens[:count]

    def piece(self, token: int) -> bytes:
        """A generated token's text in UTF-8, perhaps cut inside a character."""
        piece = self._pieces.get(token)
        if piece is None:
            buffer = ctypes.create_string_buffer(_PIECE_BYTES)
            length = llama_cpp.llama_token_to_piece(
                self._vocab, token, buffer, _PIECE_BYTES, 0, False
            )
            piece = self._pieces[token] = buffer.raw[: max(length, 0)]
        return piece

    def ends_answer(self, token: int) -> bool:
        """Whether this token means that the answer is over."""
        return bool(llama_cpp.llama_vocab_is_eog(self._vocab, token))

    # --- batch and memory ---

    def clear_batch(self) -> None:
        """Begin a new batch."""
        self._length = 0

    @property
    def room(self) -> int:
        """How many tokens the batch still takes."""
        return BATCH_TOKENS - self._length

    def add(self, tokens: Sequence[int], position: int, sequence: int, *, sample: bool) -> int:
        """Put tokens of one sequence into the batch, from `position` on.

        With `sample`, the last one's logits are kept; the returned index is what `sample` wants.
        """
        batch, index = self._batch, self._length
        for offset, token in enumerate(tokens):
            batch.token[index] = token
            batch.pos[index] = position + offset
            batch.seq_id[index][0] = sequence
            batch.logits[index] = 0
            index += 1
        if sample:
            batch.logits[index - 1] = 1
        self._length = index
        return index - 1

    def decode(self) -> None:
        """Compute the batch; raises `DecodeError`."""
        self._batch.n_tokens = self._length
        status = llama_cpp.llama_decode(self._ctx, self._batch)
        if status != 0:
            raise DecodeError(f"llama.cpp could not compute a batch (status {status}).")

    def forget(self, sequence: int, position: int = 0) -> None:
        """Drop what a sequence holds from `position` on."""
        llama_cpp.llama_memory_seq_rm(self._memory, sequence, position, -1)

    # --- sampling ---

    def new_sampler(self, sampling: Sampling, seed: int, seen: Sequence[int]) -> "Sampler":
        """A sampler chain that has already seen these tokens."""
        return Sampler(self, sampling, seed, seen)

    @property
    def raw_context(self) -> Any:
        """llama.cpp's context, for the sampler."""
        return self._ctx


class Sampler:
    """llama.cpp's own sampler chain for one answer."""

    def __init__(self, llama: Llama, sampling: Sampling, seed: int, seen: Sequence[int]) -> None:
        self._ctx = llama.raw_context
        parameters = llama_cpp.llama_sampler_chain_default_params()
        parameters.no_perf = True
        self._chain = llama_cpp.llama_sampler_chain_init(parameters)
        for link in _links(llama, sampling, seed):
            llama_cpp.llama_sampler_chain_add(self._chain, link)
        for token in seen[-PENALTY_LAST_TOKENS:]:
            llama_cpp.llama_sampler_accept(self._chain, token)

    def sample(self, index: int) -> int:
        """The next token, from the logits of the batch's entry `index`."""
        token: int = llama_cpp.llama_sampler_sample(self._chain, self._ctx, index)
        return token

    def close(self) -> None:
        """Give back what llama.cpp holds."""
        llama_cpp.llama_sampler_free(self._chain)


def _links(llama: Llama, sampling: Sampling, seed: int) -> list[Any]:
    links: list[Any] = []
    if sampling.repeat_penalty != 1.0:
        links.append(
            llama_cpp.llama_sampler_init_penalties(
                llama.vocabulary, PENALTY_LAST_TOKENS, sampling.repeat_penalty, 0.0, 0.0
            )
        )
    if sampling.temperature < MIN_TEMPERATURE:
        links.append(llama_cpp.llama_sampler_init_greedy())
        return links
    if sampling.top_k > 0:
        links.append(llama_cpp.llama_sampler_init_top_k(sampling.top_k))
    if sampling.top_p < 1:
        links.append(llama_cpp.llama_sampler_init_top_p(sampling.top_p, 1))
    if sampling.min_p > 0:
        links.append(llama_cpp.llama_sampler_init_min_p(sampling.min_p, 1))
    links.append(llama_cpp.llama_sampler_init_temp(sampling.temperature))
    links.append(llama_cpp.llama_sampler_init_dist(seed))
    return links


_LEVELS: Final = {3: logging.WARNING, 4: logging.ERROR}


def _log_line(level: int, text: bytes, _user_data: ctypes.c_void_p) -> None:
    """Warnings and errors of llama.cpp go where ours go; its chatter goes nowhere."""
    if level in _LEVELS and (line := text.decode(errors="replace").strip()):
        log.log(_LEVELS[level], line)


# Kept for the life of the process: llama.cpp holds the pointer.
_log_callback = llama_cpp.llama_log_callback(_log_line)
