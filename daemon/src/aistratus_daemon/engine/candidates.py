"""The tokens among which a sampler chooses: a whole vocabulary, or the few that can matter."""

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from aistratus_daemon.engine.llama import Logits

# llama.cpp's llama_token_data.
_CANDIDATE: Final = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
# Fewer blocks leave more maxima to sort, more leave more numbers to gather.
_BLOCKS: Final = 16
_LOWEST: Final = np.finfo(np.float32).min


class Candidates:
    """llama.cpp's array of candidates, over our own array with room for `size`."""

    def __init__(self, size: int) -> None:
        self._items = np.zeros(size, _CANDIDATE)
        self._ids, self._logits = self._items["id"], self._items["logit"]
        self._all = np.arange(size, dtype=np.int32)
        data = self._items.ctypes.data_as(ctypes.POINTER(llama_cpp.llama_token_data))
        self._native = llama_cpp.llama_token_data_array(
            data=data, size=0, selected=-1, sorted=False
        )
        self.pointer = ctypes.byref(self._native)

    def fill(self, logits: Logits) -> None:
        """All tokens, with their logits (vocabulary)."""
        self.fill_some(self._all, logits)

    def fill_some(self, tokens: NDArray[np.int32], logits: Logits) -> None:
        """These tokens, with the logit of each."""
        count = len(tokens)
        self._ids[:count] = tokens
        self._logits[:count] = logits
        self._reset(count)

    def fill_one(self, token: int) -> None:
        """One token alone."""
        self._items[0] = (token, 0.0, 0.0)
        self._reset(1)

    def _reset(self, size: int) -> None:
        self._native.size = size
        self._native.selected = -1
        self._native.sorted = False

    def __len__(self) -> int:
        return int(self._native.size)

    def keep(self, is_wanted: Callable[[int], bool]) -> bool:
        """Keep only the wanted candidates, in order; returns whether any is left."""
        ids = self._ids[: self._native.size].tolist()
        return self.keep_where(np.array([is_wanted(token) for token in ids], bool))

    def keep_where(self, wanted: Any) -> bool:
        """As `keep`, by one boolean per candidate."""
        left = self._items[: self._native.size][wanted]
        self._items[: len(left)] = left
        self._native.size = len(left)
        return len(left) > 0

    @property
    def selected(self) -> int:
        """The token that a sampler has chosen."""
        return int(self._ids[self._native.selected])


@dataclass(frozen=True, slots=True)
class Likeliest:
    """The likeliest tokens of several rows: the n-th row's lie between bounds n and n + 1."""

    tokens: NDArray[np.int32]
    logits: Logits
    bounds: list[int]

    def of(self, number: int) -> tuple[NDArray[np.int32], Logits]:
        """One row's tokens, and the logit of each."""
        span = slice(self.bounds[number], self.bounds[number + 1])
        return self.tokens[span], self.logits[span]


def likeliest(logits: Logits, rows: Sequence[int], count: int) -> Likeliest:
    """At least the `count` likeliest tokens of each of these rows of `logits` (rows, vocabulary).

    There are fewer only if fewer are possible (above -inf), or if the row has a NaN.

    A row is folded into blocks, one below the other. The `count` likeliest tokens stand in the
    `count` columns with the greatest maxima, and none of them is less likely than the least of
    these maxima. So most of a row is read once, and never sorted.
    """
    vocabulary = logits.shape[1]
    columns = max(vocabulary // _BLOCKS, min(count, vocabulary))
    blocks = -(-vocabulary // columns)
    least, numbers, found = _best_columns(logits, rows, columns, count)
    places = found[:, np.newaxis] + np.arange(blocks) * columns
    begins = np.asarray(rows)[numbers] * vocabulary
    values = logits.ravel().take(places + begins[:, np.newaxis], mode="clip")
    is_likely = values >= least[numbers, np.newaxis]
    if blocks * columns > vocabulary:
        # The last block is shorter; what is beyond it is the next row's.
        is_likely &= places < vocabulary
    hits = np.flatnonzero(is_likely)
    bounds = numbers[hits // blocks].searchsorted(np.arange(len(rows) + 1))
    return Likeliest(
        places.ravel().take(hits).astype(np.int32), values.ravel().take(hits), bounds.tolist()
    )


def _best_columns(
    logits: Logits, rows: Sequence[int], columns: int, count: int
) -> tuple[Logits, NDArray[np.intp], NDArray[np.intp]]:
    """The rows folded into so many columns: which of these have the greatest maxima.

    Returns the least of these maxima of each row, and each such column: its row's number, its own.
    """
    whole = logits.shape[1] // columns * columns
    rest = logits.shape[1] - whole
    maxima = np.empty((len(rows), columns), np.float32)
    for maximum, row in zip(maxima, rows, strict=True):
        np.maximum.reduce(logits[row, :whole].reshape(-1, columns), axis=0, out=maximum)
        if rest:
            np.maximum(maximum[:rest], logits[row, whole:], out=maximum[:rest])
    first = max(0, columns - count)
    least = np.maximum(np.partition(maxima, first, axis=1)[:, first], _LOWEST)
    numbers, found = np.divmod(np.flatnonzero(maxima >= least[:, np.newaxis]), columns)
    return least, numbers, found
