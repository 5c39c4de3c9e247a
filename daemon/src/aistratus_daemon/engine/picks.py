"""The next tokens of all running answers at once."""

from collections.abc import Sequence
from typing import Final

from aistratus_daemon.engine.candidates import Candidates
from aistratus_daemon.engine.llama import Logits
from aistratus_daemon.engine.sampling import GREEDY, ChainSampler, FormSampler, Sampler
from aistratus_daemon.engine.shaping import narrowed

# For fewer rows the search takes longer than llama.cpp with all tokens.
LEAST_TOGETHER: Final = 4
# So many rows of 32,000 logits stay in a core's cache while they are looked at.
_ROWS_AT_ONCE: Final = 16


class Picks:
    """Lets samplers pick, and searches the rows of many of them together: that is much faster."""

    def __init__(self, vocabulary: int) -> None:
        self._room = Candidates(vocabulary)

    def one(self, sampler: Sampler, logits: Logits) -> int | None:
        """One answer's next token, from its row of logits (vocabulary)."""
        return sampler.pick(logits, self._room)

    def of_all(self, samplers: Sequence[Sampler], logits: Logits) -> list[int | None]:
        """The next token of each, from its own row of logits (rows, vocabulary).

        An answer in a form gets None: it picks alone, and later.
        """
        if samplers.count(GREEDY) == len(samplers):
            likeliest: list[int | None] = logits.argmax(axis=1).tolist()
            return likeliest
        tokens: list[int | None] = [None] * len(samplers)
        by_reach: dict[int | None, list[tuple[int, ChainSampler]]] = {}
        for row, sampler in enumerate(samplers):
            if isinstance(sampler, ChainSampler):
                by_reach.setdefault(sampler.shaping.narrow_reach, []).append((row, sampler))
            elif not isinstance(sampler, FormSampler):
                tokens[row] = self.one(sampler, logits[row])
        for reach, chains in by_reach.items():
            if reach is None or len(chains) < LEAST_TOGETHER:
                for row, chain in chains:
                    tokens[row] = self.one(chain, logits[row])
                continue
            for start in range(0, len(chains), _ROWS_AT_ONCE):
                some = chains[start : start + _ROWS_AT_ONCE]
                self._pick_together(some, logits, reach, tokens)
        return tokens

    def _pick_together(
        self,
        chains: Sequence[tuple[int, ChainSampler]],
        logits: Logits,
        reach: int,
        tokens: list[int | None],
    ) -> None:
        rows = [row for row, _ in chains]
        shapings = [sampler.shaping for _, sampler in chains]
        found = narrowed(shapings, logits, rows, reach)
        for (row, sampler), candidates in zip(chains, found, strict=True):
            self._room.fill_some(*candidates)
            tokens[row] = sampler.pick_from(self._room)
