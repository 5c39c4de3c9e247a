"""Prove that llama.cpp computes from the GGUF what PyTorch computed in training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from standin_recipe.evaluate import Reader
from standin_recipe.model import TinyLlama
from standin_recipe.tokenizer import BOS_ID, Tokenizer


def largest_logit_difference(
    model: TinyLlama, tokenizer: Tokenizer, reader: Reader, prompts: Sequence[str]
) -> float:
    """Return the worst difference of a logit over all prompts; ``ValueError`` if ids differ."""
    worst = 0.0
    for prompt in prompts:
        ids = [BOS_ID, *tokenizer.encode(prompt)]
        if ids != reader.tokenize(prompt):
            raise ValueError(f"llama.cpp cuts this prompt into other tokens: {prompt!r}")
        with torch.no_grad():
            expected = model(torch.tensor([ids]))[0, -1].numpy()
        worst = max(worst, float(np.abs(expected - reader.logits(prompt)).max()))
    return worst
