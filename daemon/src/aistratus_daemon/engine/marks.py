"""The marks by which a model tells who speaks, and how a user's text is kept from forging them."""

import re
from collections.abc import Iterable
from itertools import groupby
from os.path import commonprefix
from typing import Final

# Breaks a mark without a visible trace.
_WORD_JOINER: Final = "\u2060"


class Marks:
    """A model's marks, looked for all at once: the time grows with the text alone."""

    def __init__(self, texts: Iterable[str]) -> None:
        # A single character cannot be broken, and marks nothing.
        self.texts = tuple(dict.fromkeys(text for text in texts if len(text) > 1))
        # It finds every beginning, so that two overlapping marks are both broken.
        self._beginning = re.compile(
            f"(?s)(?={_any_of(set(self.texts))})(.)" if self.texts else "(?!)"
        )

    def disarm(self, text: str) -> str:
        """The text with an invisible character after the first character of each mark."""
        return self._beginning.sub(rf"\1{_WORD_JOINER}", text)


def _any_of(texts: set[str]) -> str:
    """A pattern that matches any of these texts and tries a shared beginning only once."""
    if "" in texts:
        return ""
    branches = []
    for _, group in groupby(sorted(texts), key=lambda text: text[0]):
        alike = list(group)
        shared = commonprefix(alike)  # noqa: RUF071 - of texts, not of paths
        branches.append(re.escape(shared) + _any_of({text[len(shared) :] for text in alike}))
    return f"(?:{'|'.join(branches)})"
