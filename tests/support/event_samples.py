"""An event of each kind, which all tests of documents take from here."""

from collections.abc import Callable
from typing import Any, Final

_SAMPLES: Final[dict[str, Callable[[Any], Any]]] = {
    "state": lambda of: of.event.StateChange(
        of.states.JobState.SUCCEEDED, of.states.FinishReason.STOP
    ),
    "delta": lambda of: of.event.Delta(" naïve 🙂", (5, 17)),
    "usage": lambda of: of.event.Usage(prompt_tokens=20, cached_tokens=12, completion_tokens=7),
    "error": lambda of: of.event.JobError(
        of.errors.JobErrorCode.POISON, "It ended the engine three times."
    ),
    "notice": lambda of: of.event.Notice(
        of.errors.NoticeCode.TURNS_LEFT_OUT, "2 turns were left out."
    ),
}
KINDS: Final = tuple(_SAMPLES)


def sample_body(of: Any, kind: str) -> Any:
    """The body of such an event, of a release's contracts: a package with `event`, `states` …

    Raises `AttributeError` if the release does not have the kind yet.
    """
    return _SAMPLES[kind](of)
