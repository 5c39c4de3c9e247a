"""Searches for a stop string in a text that comes in pieces.

It uses Knuth, Morris and Pratt's automaton, so the time grows only with the text's length.
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class StopString:
    """One stop string. `matched` is how many of its first characters end the text so far."""

    text: str
    matched: int = 0
    # At n: how long a beginning of the stop string its first n characters end with.
    _shorter: list[int] = field(default_factory=lambda: [0, 0])

    def __post_init__(self) -> None:
        for end in range(1, len(self.text)):
            self._shorter.append(self._longer(self._shorter[end], self.text[end]))

    def read(self, piece: str) -> int | None:
        """Read the next piece; returns where the stop string begins, from the piece's beginning.

        Returns None if it has not come yet. Once it is found there is nothing more to read.
        """
        for position, character in enumerate(piece):
            self.matched = self._longer(self.matched, character)
            if self.matched == len(self.text):
                return position + 1 - self.matched
        return None

    def _longer(self, matched: int, character: str) -> int:
        while matched and self.text[matched] != character:
            matched = self._shorter[matched]
        return matched + (self.text[matched] == character)
