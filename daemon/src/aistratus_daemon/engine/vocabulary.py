"""A model's vocabulary: text to tokens, tokens to text, and which of them are special."""

import ctypes
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import llama_cpp

from aistratus_daemon.engine.template import ChatTemplate
from aistratus_daemon.errors import ModelError

_PIECE_BYTES: Final = 64


@dataclass
class Vocabulary:
    """What belongs to the vocabulary of one loaded model."""

    model: Any
    vocab: Any
    _pieces: list[bytes | None] = field(init=False)

    def __post_init__(self) -> None:
        self._pieces = [None] * self.size

    def prepare(self) -> None:
        """Look everything up that every job needs; raises `ModelError` without a usable template.

        Without a template no prompt can be made: better to hear so now than at the first job.
        """
        _ = self.template, self.control_texts, self.end_tokens

    @cached_property
    def size(self) -> int:
        """Token ids are 0 … size - 1."""
        return int(llama_cpp.llama_vocab_n_tokens(self.vocab))

    @cached_property
    def template(self) -> ChatTemplate:
        """The model file's chat template."""
        source = llama_cpp.llama_model_chat_template(self.model, None)
        if source is None:
            raise ModelError("The model file has no chat template; use a chat model.")
        return ChatTemplate(
            source.decode(),
            bos=self._special_text(llama_cpp.llama_vocab_bos(self.vocab)),
            eos=self._special_text(llama_cpp.llama_vocab_eos(self.vocab)),
        )

    @cached_property
    def control_texts(self) -> tuple[str, ...]:
        """The texts that stand for control tokens, as `</s>`."""
        return tuple(
            text
            for token in range(self.size)
            if llama_cpp.llama_vocab_is_control(self.vocab, token)
            and (text := self._special_text(token))
        )

    @cached_property
    def end_tokens(self) -> frozenset[int]:
        """The tokens that mean that the answer is over."""
        return frozenset(
            token for token in range(self.size) if llama_cpp.llama_vocab_is_eog(self.vocab, token)
        )

    def _special_text(self, token: int) -> str:
        if token < 0:
            return ""
        text: bytes = llama_cpp.llama_vocab_get_text(self.vocab, token)
        return text.decode(errors="replace")

    def tokenize(self, text: str) -> list[int]:
        """A rendered prompt as token ids; control tokens in it count as such."""
        raw = text.encode()
        bos = self._special_text(llama_cpp.llama_vocab_bos(self.vocab))
        add_special = not (bos and text.startswith(bos))
        # A byte is seldom more than one token, but a space is three bytes to llama.cpp; where the
        # room is too small it answers how much it wants, as a negative number.
        room = len(raw) + 8
        while True:
            tokens = (llama_cpp.llama_token * room)()
            count = llama_cpp.llama_tokenize(
                self.vocab, raw, len(raw), tokens, room, add_special, True
            )
            if count >= 0:
                return tokens[:count]
            room = -count

    def piece(self, token: int) -> bytes:
        """A generated token's text in UTF-8, perhaps cut inside a character."""
        piece = self._pieces[token]
        if piece is None:
            piece = self._pieces[token] = self._new_piece(token, _PIECE_BYTES)
        return piece

    def _new_piece(self, token: int, room: int) -> bytes:
        buffer = ctypes.create_string_buffer(room)
        length = llama_cpp.llama_token_to_piece(self.vocab, token, buffer, room, 0, False)
        # Where the room is too small it answers how much it wants, as a negative number.
        return buffer.raw[:length] if length >= 0 else self._new_piece(token, -length)
