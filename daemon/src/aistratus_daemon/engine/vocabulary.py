"""A model's vocabulary: text to tokens, tokens to text, and which of them are special."""

import ctypes
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import llama_cpp

from aistratus_daemon.engine.marks import Marks
from aistratus_daemon.engine.template import ChatTemplate
from aistratus_daemon.engine.trial import apart
from aistratus_daemon.errors import ModelError

_PIECE_BYTES: Final = 64
# What a template writes around messages, as `<|user|>`, `<start_of_turn>` or `[INST]`.
_MARK: Final = re.compile(r"<\|[\w-]+\|>|<</?[A-Z_]+>>|</?[a-z_]+>|\[/?[A-Z_]+\]")


@dataclass
class Vocabulary:
    """The vocabulary of one loaded model."""

    model: Any
    vocab: Any
    file: Path
    _pieces: list[bytes | None] = field(init=False)

    def __post_init__(self) -> None:
        self._pieces = [None] * self.size

    def prepare(self) -> None:
        """Look up what every job needs; raises `ModelError` without a usable template.

        Without a template no prompt can be made: better to fail now than at the first job.
        """
        self._try_template()
        _ = self.template, self.control_texts, self.end_tokens

    @cached_property
    def size(self) -> int:
        """Token ids are 0 … size - 1."""
        return int(llama_cpp.llama_vocab_n_tokens(self.vocab))

    @cached_property
    def template(self) -> ChatTemplate:
        """The model file's chat template."""
        return ChatTemplate(
            self._template_source(),
            bos=self._special_text(llama_cpp.llama_vocab_bos(self.vocab)),
            eos=self._special_text(llama_cpp.llama_vocab_eos(self.vocab)),
        )

    def _try_template(self) -> None:
        """Render a sample where it harms nobody if it runs on, grows or crashes."""
        answer = apart(lambda: {"fault": self._template_fault()})
        fault = "it takes too much time or memory" if answer is None else answer["fault"]
        if fault:
            raise ModelError(
                f"The chat template in {self.file} cannot be used ({fault}); use another file."
            )

    def _template_fault(self) -> str:
        try:
            return self.template.sample_fault()
        except ModelError as error:
            return str(error)
        except (MemoryError, RecursionError) as error:
            return type(error).__name__

    def _template_source(self) -> str:
        source = llama_cpp.llama_model_chat_template(self.model, None)
        if source is None:
            raise ModelError("The model file has no chat template; use a chat model.")
        return str(source.decode())

    @cached_property
    def control_texts(self) -> Marks:
        """The texts that mark who speaks or that a text is over, such as `</s>` or `<|user|>`.

        Some are tokens of their own, control or user-defined; if a model has none for its roles,
        the template writes them as plain text.
        """
        tokens = (
            self._special_text(token) for token in range(self.size) if self._is_special(token)
        )
        marks = _MARK.findall(self._template_source())
        return Marks([*tokens, *marks])

    def _is_special(self, token: int) -> bool:
        if llama_cpp.llama_vocab_is_control(self.vocab, token):
            return True
        attributes = llama_cpp.llama_vocab_get_attr(self.vocab, token)
        if attributes & llama_cpp.LLAMA_TOKEN_ATTR_UNKNOWN:
            return True  # llama.cpp parses it like a control token
        is_users = bool(attributes & llama_cpp.LLAMA_TOKEN_ATTR_USER_DEFINED)
        # Some vocabularies have runs of blanks and whole words among these.
        return is_users and self._special_text(token).startswith(("<", "["))

    @cached_property
    def end_tokens(self) -> frozenset[int]:
        """The tokens that end an answer."""
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
        # A byte is seldom more than one token, but a space is three bytes to llama.cpp; if the
        # room is too small it returns the size it needs, as a negative number.
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
        # If the room is too small it returns the size it needs, as a negative number.
        return buffer.raw[:length] if length >= 0 else self._new_piece(token, -length)
