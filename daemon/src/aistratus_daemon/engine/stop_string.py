"""A stop string, looked for in a text that comes in pieces.

By Knuth, Morris and Pratt's automaton, so the time grows with the text alone, whatever is in it.
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class StopString:
    """One stop string; the text so far ends with its first `matched` characters, and no more."""

    text: str
    matched: int = 0
    # What the stop string's first n characters end with, of its own beginning.
    _shorter: list[int] = field(default_factory=lambda: [0, 0])

    def __post_init__(self) -> None:
        for end in range(1, len(self.text)):
            self._shorter.append(self._longer(self._shorter[end], self.text[end]))

    def read(self, piece: str) -> int | None:
        """Go on with the text; where the stop string begins, counted from the piece's beginning.

        None if it is not there yet. After it was found there is nothing more to read.
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
