"""How much to compute at once, learnt from measured times.

A chunk of a prompt is as long as fits the time that others may be kept waiting. Running answers
are computed in one batch or in two halves, whichever has proved faster: llama.cpp's CPU kernels
work on tiles of rows, and a batch that just misses a tile's size can cost more than its halves
(docs/adr/0011).
"""

import itertools
from dataclasses import dataclass, field
from typing import Final

# How long a chunk of a prompt may take, beside running answers and without any.
BESIDE_SECONDS: Final = 0.5
ALONE_SECONDS: Final = 1.2
# Fewer rows at once are a waste: attention and the CPU kernels work on this many.
CHUNK_ROWS: Final = 64
# A prompt's rest of up to this many chunks is computed as one.
_REST: Final = 1.25
# Fewer rows than the minimum are never split; more than the maximum fill the largest tile.
MIN_SPLIT_ROWS: Final = 8
MAX_SPLIT_ROWS: Final = 15
# After this many steps both ways are measured again.
RETRY_STEPS: Final = 512
_TRIAL_STEPS: Final = 4
# The weight of the latest measurement.
_LATEST: Final = 0.25


@dataclass
class Pace:
    """What is known about this machine's speed with this model. Times are in seconds."""

    batch_tokens: int
    prompt_rate: float = 0.0
    _whole: dict[int, float] = field(default_factory=dict)
    _halved: dict[int, float] = field(default_factory=dict)
    _steps: dict[int, "itertools.count[int]"] = field(default_factory=dict)

    def chunk(self, missing: int, *, beside_answers: bool) -> int:
        """How many of a prompt's missing tokens to compute next."""
        seconds = BESIDE_SECONDS if beside_answers else ALONE_SECONDS
        tokens = int(self.prompt_rate * seconds) // CHUNK_ROWS * CHUNK_ROWS
        tokens = min(max(tokens, CHUNK_ROWS), self.batch_tokens)
        return missing if missing <= min(tokens * _REST, self.batch_tokens) else tokens

    def expected_seconds(self, tokens: int) -> float:
        """How long that many tokens of a prompt take; 0 until something has been measured."""
        return tokens / self.prompt_rate if self.prompt_rate else 0.0

    def took_prompt(self, tokens: int, seconds: float) -> None:
        """Record how long a chunk of a prompt took."""
        if tokens >= CHUNK_ROWS // 2 and seconds > 0:
            self.prompt_rate = _blend(self.prompt_rate, tokens / seconds)

    def is_split(self, rows: int) -> bool:
        """Whether to compute that many rows in two halves."""
        if not MIN_SPLIT_ROWS <= rows <= MAX_SPLIT_ROWS:
            return False
        step = next(self._steps.setdefault(rows, itertools.count())) % RETRY_STEPS
        if step < 2 * _TRIAL_STEPS:
            return step >= _TRIAL_STEPS
        return self._halved[rows] < self._whole[rows]

    def took_rows(self, rows: int, seconds: float, *, is_split: bool) -> None:
        """Record how long that many rows took, in one batch or in halves."""
        if not MIN_SPLIT_ROWS <= rows <= MAX_SPLIT_ROWS:
            return
        known = self._halved if is_split else self._whole
        known[rows] = _blend(known.get(rows, 0.0), seconds)


def _blend(known: float, latest: float) -> float:
    return known + _LATEST * (latest - known) if known else latest
