"""Models with random weights, for honest speeds: TinyLlama 1.1B's exact shape, and a tiny body.

What a step costs depends on a model's shape and quantization, not on what it knows. The real
weights cannot be fetched everywhere; these are made here, once, in a cache folder.

The tiny body has TinyLlama's vocabulary: its steps are so short that what the engine adds to them
shows, as it does on a fast card.

The vocabulary makes counting easy: besides control, byte and role tokens, every token is one
character, so a text of n such characters is n tokens, and the model's output is tokenized back to
the very tokens that it chose. Control, byte and role tokens have zero rows in the output matrix:
they are never the likeliest, so answers end where `max_tokens` says.
"""

import ctypes
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import gguf
import llama_cpp
import numpy as np

VOCABULARY: Final = 32_000
CONTEXT: Final = 2048
SEED: Final = 20_260_101
WEIGHT_SCALE: Final = 0.02
# One token each, unlike in the real TinyLlama, so that the template's share of a prompt is small.
ROLES: Final = ("<|system|>", "<|user|>", "<|assistant|>")
SPECIALS: Final = 259 + len(ROLES)  # unknown, begin, end, the 256 bytes, and the roles

# Zephyr's, as TinyLlama has it: <|role|>, a line break, the text, the end token, a line break. It
# writes the begin token itself, because not every contender adds one.
CHAT_TEMPLATE: Final = (
    "{{ bos_token }}"
    "{% for message in messages %}<|{{ message.role }}|>\n{{ message.content }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
# What the template adds to a prompt: begin, role and line break at the end; and to each message:
# role, line break, end, line break.
PROMPT_TOKENS: Final = 3
MESSAGE_TOKENS: Final = 4

# Nobody needs two lines for each of 201 matrices.
_QUIET: Final = llama_cpp.llama_log_callback(lambda *_: None)


@dataclass(frozen=True, slots=True)
class Body:
    """What a model has besides its vocabulary; its name is also its file's."""

    name: str
    layers: int
    width: int
    feed_forward: int
    heads: int
    kv_heads: int

    @property
    def kv_width(self) -> int:
        """How many numbers a token's keys of one layer have."""
        return self.width // self.heads * self.kv_heads


TINYLLAMA: Final = Body(
    "tinyllama-shape-v2", layers=22, width=2048, feed_forward=5632, heads=32, kv_heads=4
)
# The narrowest that Q4_K, with its blocks of 256, can have.
TINY: Final = Body("tiny-shape-v1", layers=1, width=256, feed_forward=256, heads=4, kv_heads=4)


def characters() -> list[str]:
    """The one-character tokens, in the order of their ids from `SPECIALS` on."""
    ascii_signs = [chr(code) for code in range(0x21, 0x7F)]
    ideographs = [chr(code) for code in range(0x4E00, 0xA000)]
    syllables = [chr(code) for code in range(0xAC00, 0xD7A4)]
    return ["\u2581", *ascii_signs, *ideographs, *syllables][: VOCABULARY - SPECIALS]


def text_of(tokens: int, seed: int) -> str:
    """A text of exactly that many tokens; another seed gives another text."""
    ideographs = np.random.default_rng(seed).integers(0x4E00, 0xA000, tokens)
    return "".join(map(chr, ideographs))


def shape_model(folder: Path, body: Body = TINYLLAMA) -> Path:
    """The model's file in `folder`, made if it is not there.

    TinyLlama's takes a minute or two and 640 MiB.
    """
    path = folder / f"{body.name}.Q4_K_M.gguf"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            full, small = Path(scratch) / "f16.gguf", Path(scratch) / "q4.gguf"
            _write(full, body)
            _quantize(full, small)
            small.replace(path)
    return path


def cache_folder() -> Path:
    """Where the model is kept: beside what set-up keeps."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "aistratus" / "bench"


def prompt_of(messages: Sequence[tuple[str, str]]) -> str:
    """The template's prompt from (role, text) messages, for servers that add the begin token."""
    said = "".join(f"<|{role}|>\n{text}</s>\n" for role, text in messages)
    return f"{said}<|assistant|>\n"


def _write(path: Path, body: Body) -> None:
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name(body.name)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_vocab_size(VOCABULARY)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(body.width)
    writer.add_block_count(body.layers)
    writer.add_feed_forward_length(body.feed_forward)
    writer.add_head_count(body.heads)
    writer.add_head_count_kv(body.kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(body.width // body.heads)
    writer.add_rope_freq_base(10_000.0)
    _write_vocabulary(writer)
    random = np.random.default_rng(SEED)

    def matrix(rows: int, columns: int) -> np.ndarray:
        values = random.standard_normal((rows, columns), dtype=np.float32)
        return (values * WEIGHT_SCALE).astype(np.float16)

    head = matrix(VOCABULARY, body.width)
    head[:SPECIALS] = 0
    writer.add_tensor("token_embd.weight", matrix(VOCABULARY, body.width))
    writer.add_tensor("output_norm.weight", np.ones(body.width, dtype=np.float32))
    writer.add_tensor("output.weight", head)
    for layer in range(body.layers):
        block = f"blk.{layer}"
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"{block}.{name}.weight", np.ones(body.width, dtype=np.float32))
        for name, rows, columns in (
            ("attn_q", body.width, body.width),
            ("attn_k", body.kv_width, body.width),
            ("attn_v", body.kv_width, body.width),
            ("attn_output", body.width, body.width),
            ("ffn_gate", body.feed_forward, body.width),
            ("ffn_up", body.feed_forward, body.width),
            ("ffn_down", body.width, body.feed_forward),
        ):
            writer.add_tensor(f"{block}.{name}.weight", matrix(rows, columns))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_vocabulary(writer: gguf.GGUFWriter) -> None:
    texts = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    texts += [*ROLES, *characters()]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    kinds += [gguf.TokenType.BYTE] * 256
    kinds += [gguf.TokenType.USER_DEFINED] * len(ROLES)
    kinds += [gguf.TokenType.NORMAL] * (VOCABULARY - SPECIALS)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([text.encode() for text in texts])
    writer.add_token_scores([-float(number) for number in range(VOCABULARY)])
    writer.add_token_types([int(kind) for kind in kinds])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def _quantize(source: Path, target: Path) -> None:
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M
    parameters.nthread = len(os.sched_getaffinity(0))
    llama_cpp.llama_log_set(_QUIET, ctypes.c_void_p(0))
    status = llama_cpp.llama_model_quantize(
        str(source).encode(), str(target).encode(), ctypes.byref(parameters)
    )
    if status != 0:
        raise RuntimeError(f"llama.cpp could not quantize {source} (status {status}).")
