"""Train the network on conversations that are drawn anew all the time."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from standin_recipe.corpus import Corpus
from standin_recipe.dialogues import DialogueMaker
from standin_recipe.model import Shape, TinyLlama
from standin_recipe.options import SEED, STEPS
from standin_recipe.tokenizer import Encoded, Tokenizer


@dataclass(frozen=True)
class Plan:
    """How to train. Lengths are in tokens; a batch is cut to about ``batch_tokens``.

    With ``bfloat16``, products of matrices are computed in that type; weights, sums and losses
    stay in 32 bits. A processor with AMX then needs half the time, one without needs more.
    """

    steps: int = STEPS
    batch_tokens: int = 2560
    learning_rate: float = 2.0e-3
    warmup_steps: int = 100
    weight_decay: float = 0.1
    dropout: float = 0.1
    piece_dropout: float = 0.15
    # One: on a network this small, two on a busy machine wait for each other.
    threads: int = 1
    bfloat16: bool = False
    seed: int = SEED


def draw_batches(
    corpus: Corpus, tokenizer: Tokenizer, shape: Shape, plan: Plan
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (ids, wanted), both (rows, length), without end; ``wanted`` is -1 where not.

    Conversations of like length share a batch, so that little of it is padding.
    """
    rng = random.Random(plan.seed)
    maker = DialogueMaker(corpus, rng)
    while True:
        pool: list[Encoded] = []
        for _ in range(192):
            turns = rng.choices((1, 2, 3, 4, 5, 8), (4, 4, 4, 4, 3, 1))[0]
            encoded = tokenizer.encode_dialogue(maker.dialogue(turns), rng, plan.piece_dropout)
            if len(encoded.ids) <= shape.context:
                pool.append(encoded)
        pool.sort(key=lambda encoded: len(encoded.ids))
        batches: list[list[Encoded]] = [[]]
        for encoded in pool:
            if len(encoded.ids) * (len(batches[-1]) + 1) > plan.batch_tokens and batches[-1]:
                batches.append([])
            batches[-1].append(encoded)
        rng.shuffle(batches)
        for batch in batches:
            yield _pad(batch)


def _pad(batch: list[Encoded]) -> tuple[Tensor, Tensor]:
    length = max(len(encoded.ids) for encoded in batch)
    ids = torch.zeros((len(batch), length), dtype=torch.long)
    wanted = torch.full((len(batch), length), -1, dtype=torch.long)
    for row, encoded in enumerate(batch):
        values = torch.tensor(encoded.ids)
        ids[row, : len(values)] = values
        wanted[row, : len(values)] = torch.where(torch.tensor(encoded.targets), values, -1)
    return ids, wanted


def rate_at(step: int, plan: Plan) -> float:
    """The learning rate of a step: a linear warm-up, then half a cosine down to 1 %."""
    if step < plan.warmup_steps:
        return plan.learning_rate * (step + 1) / plan.warmup_steps
    part = (step - plan.warmup_steps) / max(1, plan.steps - plan.warmup_steps)
    return plan.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * part)))


def train(
    corpus: Corpus, tokenizer: Tokenizer, shape: Shape, plan: Plan
) -> tuple[TinyLlama, float]:
    """Train a network from scratch; return it, ready to evaluate, and its mean last loss in nats.

    Progress is printed.
    """
    torch.manual_seed(plan.seed)
    torch.set_num_threads(plan.threads)
    model = TinyLlama(shape, plan.dropout)
    print(f"{model.parameter_count():,} parameters, {plan.steps} steps", flush=True)
    groups: list[dict[str, Any]] = [
        {"params": [weight for weight in model.parameters() if weight.ndim == 2]},
        {"params": [w for w in model.parameters() if w.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(
        groups,
        lr=plan.learning_rate,
        betas=(0.9, 0.98),
        weight_decay=plan.weight_decay,
    )
    batches = draw_batches(corpus, tokenizer, shape, plan)
    model.train()
    began = time.monotonic()
    shown, tokens = 0.0, 0
    for step in range(plan.steps):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, plan)
        ids, wanted = next(batches)
        with torch.autocast("cpu", torch.bfloat16, enabled=plan.bfloat16):
            loss = model.loss(ids, wanted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        shown = loss.item() if step == 0 else 0.98 * shown + 0.02 * loss.item()
        tokens += ids.numel()
        if step % 50 == 0 or step == plan.steps - 1:
            spent = time.monotonic() - began
            left = spent / (step + 1) * (plan.steps - step - 1)
            print(
                f"step {step:5d}  loss {shown:.4f}  {tokens / spent:6.0f} tokens/s  "
                f"ETA {left / 60:4.1f} min",
                flush=True,
            )
    return model.eval(), shown
