"""The network: a small Llama, in the layout that llama.cpp's `llama` architecture expects.

Pre-normalised blocks of attention and SwiGLU, RMS norms, tied input and output embeddings.
Rotary positions turn interleaved pairs (0,1), (2,3), …: that is llama.cpp's order, so the
weights are exported as they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    """The sizes of the network; all widths are multiples of 32."""

    vocabulary: int = 2048
    width: int = 256
    layers: int = 4
    heads: int = 4
    feed_forward: int = 640
    context: int = 1024
    rope_base: float = 10000.0
    norm_epsilon: float = 1e-5

    @property
    def head_width(self) -> int:
        """The width of one attention head."""
        return self.width // self.heads


class RmsNorm(nn.Module):
    """Scale the last dimension to a root mean square of one, then by a learnt weight."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self._epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """Map (…, width) to (…, width)."""
        return functional.rms_norm(x, (x.shape[-1],), self.weight, self._epsilon)


def rotary_table(shape: Shape) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of each position's angles, both (context, head width / 2)."""
    exponents = torch.arange(0, shape.head_width, 2) / shape.head_width
    angles = torch.outer(torch.arange(shape.context), shape.rope_base**-exponents)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn interleaved pairs of (batch, heads, length, head width) by their positions."""
    pairs = x.view(*x.shape[:-1], -1, 2)
    even, odd = pairs[..., 0], pairs[..., 1]
    turned = torch.stack((even * cosine - odd * sine, even * sine + odd * cosine), dim=-1)
    return turned.flatten(-2)


class Block(nn.Module):
    """One layer: attention and feed-forward, each added to what came in."""

    def __init__(self, shape: Shape, dropout: float) -> None:
        super().__init__()
        self._heads = shape.heads
        self.attention_norm = RmsNorm(shape.width, shape.norm_epsilon)
        self.query = nn.Linear(shape.width, shape.width, bias=False)
        self.key = nn.Linear(shape.width, shape.width, bias=False)
        self.value = nn.Linear(shape.width, shape.width, bias=False)
        self.output = nn.Linear(shape.width, shape.width, bias=False)
        self.feed_forward_norm = RmsNorm(shape.width, shape.norm_epsilon)
        self.gate = nn.Linear(shape.width, shape.feed_forward, bias=False)
        self.up = nn.Linear(shape.width, shape.feed_forward, bias=False)
        self.down = nn.Linear(shape.feed_forward, shape.width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """Map (batch, length, width) to the same shape; each position sees earlier ones."""
        normed = self.attention_norm(x)
        query, key, value = (
            layer(normed).view(*x.shape[:-1], self._heads, -1).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        seen = functional.scaled_dot_product_attention(
            rotate(query, cosine, sine), rotate(key, cosine, sine), value, is_causal=True
        )
        x = x + self.dropout(self.output(seen.transpose(1, 2).flatten(2)))
        normed = self.feed_forward_norm(x)
        hidden = functional.silu(self.gate(normed)) * self.up(normed)
        added: Tensor = self.dropout(self.down(hidden))
        return x + added


class TinyLlama(nn.Module):
    """The whole network: ids in, logits or losses out."""

    cosine: Tensor
    sine: Tensor

    def __init__(self, shape: Shape, dropout: float) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(shape, dropout) for _ in range(shape.layers))
        self.norm = RmsNorm(shape.width, shape.norm_epsilon)
        cosine, sine = rotary_table(shape)
        self.register_buffer("cosine", cosine, persistent=False)
        self.register_buffer("sine", sine, persistent=False)
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                # What is added to the residual stream starts smaller, by the number of additions.
                residual = name.endswith(("output.weight", "down.weight"))
                scale = 1 / math.sqrt(2 * shape.layers) if residual else 1.0
                nn.init.normal_(weight, std=0.03 * scale)

    def hidden(self, ids: Tensor) -> Tensor:
        """Map ids (batch, length) to the last normalised state (batch, length, width)."""
        x = self.dropout(self.embedding(ids))
        cosine, sine = self.cosine[: ids.shape[1]], self.sine[: ids.shape[1]]
        for block in self.blocks:
            x = block(x, cosine, sine)
        normed: Tensor = self.norm(x)
        return normed

    def forward(self, ids: Tensor) -> Tensor:
        """Map ids (batch, length) to logits (batch, length, vocabulary)."""
        return functional.linear(self.hidden(ids), self.embedding.weight)

    def loss(self, ids: Tensor, wanted: Tensor) -> Tensor:
        """Mean cross-entropy in nats of the next tokens; ``wanted`` (as ids) is -1 where not.

        Logits are computed only where a token is wanted: the vocabulary is a large part of
        the work.
        """
        hidden = self.hidden(ids[:, :-1])
        following = wanted[:, 1:]
        chosen = following >= 0
        logits = functional.linear(hidden[chosen], self.embedding.weight)
        return functional.cross_entropy(logits.float(), following[chosen])

    def parameter_count(self) -> int:
        """The number of weights, the tied embedding once."""
        return sum(weight.numel() for weight in self.parameters())
