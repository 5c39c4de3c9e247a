"""What the engine counts."""

from dataclasses import dataclass

from aistratus_daemon.frames import Stats


@dataclass
class Counters:
    """Totals since the start; `Stats` says what each means."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    prompt_seconds: float = 0.0
    predicted_tokens: int = 0
    predicted_seconds: float = 0.0
    decodes: int = 0
    rows: int = 0
    first_token_seconds: float = 0.0
    first_tokens: int = 0

    def decoded(self, sequences: int) -> None:
        """Count one call to llama.cpp, for that many sequences."""
        self.decodes += 1
        self.rows += sequences

    def first_token(self, seconds: float) -> None:
        """Count an answer's first token, that many seconds after its request."""
        self.first_tokens += 1
        self.first_token_seconds += seconds

    def stats(self, *, processing: int, deferred: int, cached_tokens: int, cells: int) -> Stats:
        """All totals, with the given current values."""
        return Stats(
            requests_processing=processing,
            requests_deferred=deferred,
            prompt_tokens_total=self.prompt_tokens,
            prompt_tokens_cached_total=self.cached_tokens,
            prompt_seconds_total=self.prompt_seconds,
            tokens_predicted_total=self.predicted_tokens,
            tokens_predicted_seconds_total=self.predicted_seconds,
            n_decode_total=self.decodes,
            n_busy_slots_per_decode=self.rows / self.decodes if self.decodes else 0.0,
            kv_cache_tokens=cached_tokens,
            kv_cache_usage_ratio=cached_tokens / cells,
            time_to_first_token_seconds_sum=self.first_token_seconds,
            time_to_first_token_seconds_count=self.first_tokens,
        )
