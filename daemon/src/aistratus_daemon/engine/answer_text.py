"""From tokens to text that never has to be taken back.

A token may hold half a character, and the text so far may be the beginning of a stop string. So
tokens wait here until it is certain that what they say will be shown, and leave in whole tokens:
a committed token's text is complete, which is what makes an answer resumable from its tokens.
"""

import codecs
from dataclasses import dataclass, field


@dataclass(slots=True)
class AnswerText:
    """The undecided end of one answer."""

    stop: tuple[str, ...] = ()
    stopped: bool = False
    _ids: list[int] = field(default_factory=list)
    _texts: list[str] = field(default_factory=list)
    # Whether the decoder holds half a character after this token.
    _is_whole: list[bool] = field(default_factory=list)
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )

    def add(self, token_id: int, piece: bytes) -> tuple[tuple[int, ...], str]:
        """`push` and `take` in one; most tokens are certain as soon as they come."""
        if not self.stop and not self._ids:
            try:
                return (token_id,), piece.decode()
            except UnicodeDecodeError:
                pass  # half a character, or none at all
        self.push(token_id, piece)
        return self.take()

    def push(self, token_id: int, piece: bytes) -> None:
        """Add a generated token; `piece` is its text in UTF-8, perhaps cut inside a character."""
        self._ids.append(token_id)
        self._texts.append(self._decoder.decode(piece))
        self._is_whole.append(not self._decoder.getstate()[0])
        if self.stop and self._cut_at_stop():
            self.stopped = True

    def take(self) -> tuple[tuple[int, ...], str]:
        """What has become certain since the last call: token ids and their text."""
        if self.stopped:
            return self.finish()
        text = "".join(self._texts)
        certain = len(text) - self._held_back(text)
        count = shown = end = 0
        for position, piece in enumerate(self._texts):
            end += len(piece)
            if end > certain:
                break
            if self._is_whole[position]:
                count, shown = position + 1, end
        ids = tuple(self._ids[:count])
        del self._ids[:count], self._texts[:count], self._is_whole[:count]
        return ids, text[:shown]

    def finish(self) -> tuple[tuple[int, ...], str]:
        """All that is left, at the end of the answer; half a character is not shown."""
        text = "".join(self._texts)
        ids = tuple(self._ids)
        self._ids, self._texts, self._is_whole = [], [], []
        return ids, text

    def _cut_at_stop(self) -> bool:
        text = "".join(self._texts)
        found = [at for stop in self.stop if (at := text.find(stop)) >= 0]
        if not found:
            return False
        self._texts = [text[: min(found)]] + [""] * (len(self._texts) - 1)
        return True

    def _held_back(self, text: str) -> int:
        """How many characters at the end could be the beginning of a stop string."""
        return max(
            (
                length
                for stop in self.stop
                for length in range(min(len(stop) - 1, len(text)), 0, -1)
                if text.endswith(stop[:length])
            ),
            default=0,
        )
