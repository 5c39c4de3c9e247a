"""Write the trained network and its tokenizer as one GGUF file (v3, F16)."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import torch

from standin_recipe.dialogues import CHAT_TEMPLATE
from standin_recipe.model import TinyLlama
from standin_recipe.tokenizer import BOS_ID, EOS_ID, UNKNOWN_ID, Tokenizer

_BLOCK_NAMES = {
    "attention_norm": "attn_norm",
    "query": "attn_q",
    "key": "attn_k",
    "value": "attn_v",
    "output": "attn_output",
    "feed_forward_norm": "ffn_norm",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}


def write_gguf(model: TinyLlama, tokenizer: Tokenizer, path: Path) -> None:
    """Write ``path``: matrices as F16, norms as F32, tokenizer and chat template inside."""
    writer = gguf.GGUFWriter(str(path), "llama")
    _write_description(writer, model)
    _write_tokenizer(writer, tokenizer)
    for name, weight in model.state_dict().items():
        array = weight.detach().to(torch.float32).numpy()
        writer.add_tensor(_gguf_name(name), array.astype(np.float16) if array.ndim == 2 else array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _gguf_name(name: str) -> str:
    # No `output.weight`: llama.cpp then takes the token embedding, to which it is tied.
    if name == "embedding.weight":
        return "token_embd.weight"
    if name == "norm.weight":
        return "output_norm.weight"
    _, number, part, _ = name.split(".")
    return f"blk.{number}.{_BLOCK_NAMES[part]}.weight"


def _write_description(writer: gguf.GGUFWriter, model: TinyLlama) -> None:
    shape = model.shape
    writer.add_name("Aistratus stand-in")
    writer.add_description(
        "A stand-in that knows a few hundred answers about Aistratus. It is no assistant."
    )
    writer.add_license("apache-2.0")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_layer_norm_rms_eps(shape.norm_epsilon)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(shape.rope_base)


def _write_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    pieces = tokenizer.pieces
    tokens: list[bytes] = []
    scores: list[float] = []
    kinds: list[int] = []
    for number in range(tokenizer.size):
        text = pieces.IdToPiece(number)
        if pieces.IsUnknown(number):
            kind = gguf.TokenType.UNKNOWN
        elif pieces.IsControl(number):
            kind = gguf.TokenType.CONTROL
        elif pieces.IsByte(number):
            kind = gguf.TokenType.BYTE
        elif text.startswith("<|"):
            kind = gguf.TokenType.USER_DEFINED
        else:
            kind = gguf.TokenType.NORMAL
        tokens.append(text.encode("utf-8"))
        scores.append(pieces.GetScore(number))
        kinds.append(int(kind))
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(BOS_ID)
    writer.add_eos_token_id(EOS_ID)
    writer.add_unk_token_id(UNKNOWN_ID)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    # The tokenizer was trained without a space at the front; llama.cpp must not add one.
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)
