"""Tokens on their way out: they leave together, as one frame for all answers."""

from collections.abc import Callable, Sequence
from typing import Final

from aistratus_daemon.frames import Frame, NewTokens, Tokens

# How often the tokens of all answers leave; an answer's first token leaves at once.
FLUSH_SECONDS: Final = 0.02


class Unsent:
    """What has been generated and not been sent, by job."""

    def __init__(self, send: Callable[[Frame], None]) -> None:
        self._send = send
        self._by_job: dict[str, tuple[list[int], list[str]]] = {}
        self._flushed_at = 0.0

    def add(self, job_id: str, ids: Sequence[int], text: str) -> None:
        """Add tokens and the text that they made."""
        if not ids and not text:
            return
        if (unsent := self._by_job.get(job_id)) is None:
            self._by_job[job_id] = ([*ids], [text])
        else:
            unsent[0].extend(ids)
            unsent[1].append(text)

    def flush_if_due(self, now: float) -> None:
        """Send all if the last frame is long enough ago."""
        if now - self._flushed_at >= FLUSH_SECONDS:
            self.flush(now)

    def flush(self, now: float) -> None:
        """Send all now."""
        self._flushed_at = now
        if self._by_job:
            items = [
                NewTokens(job_id, tuple(ids), "".join(texts))
                for job_id, (ids, texts) in self._by_job.items()
            ]
            self._by_job = {}
            self._send(Tokens(tuple(items)))

    def clear(self) -> None:
        """Forget all."""
        self._by_job.clear()
