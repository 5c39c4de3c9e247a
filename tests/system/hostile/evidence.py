"""What an attack was answered, and what came of the jobs that were accepted."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import httpx

FINAL: Final = frozenset({"succeeded", "failed", "cancelled"})
# A job that ends so has brought an engine down, or found none.
ENGINE_CODES: Final = frozenset({"poison", "engine_failed"})


@dataclass
class Evidence:
    """Everything that is held for or against the system in one scenario."""

    answers: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    # Answers that nobody may get: 5xx, and "not now" without a word on when.
    unexpected: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    slowest_seconds: float = 0.0
    accepted: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    unended: list[str] = field(default_factory=list)
    cancelled_at_end: int = 0
    is_cut: bool = False
    longest_job_seconds: float = 0.0

    def answered(self, label: str, answer: httpx.Response, seconds: float) -> None:
        """Write an answer down."""
        self.answers[f"{label} {answer.status_code}"] += 1
        self.slowest_seconds = max(self.slowest_seconds, seconds)
        if code := code_of(answer):
            self.codes[code] += 1
        says_when = "retry-after" in answer.headers
        if answer.status_code >= 500 and not (answer.status_code == 503 and says_when):
            self.unexpected[f"{label} {answer.status_code}"] += 1
        if answer.status_code == 429 and not says_when:
            self.unexpected[f"{label} 429 without Retry-After"] += 1

    def found(self, sentence: str) -> None:
        """Something that must not be; the same sentence is counted."""
        self.findings[sentence] += 1

    def ended(self, events: list[dict[str, Any]]) -> None:
        """Write down how a job ended, by its log."""
        end = last_state(events)
        codes = [event["error"]["code"] for event in events if "error" in event]
        self.ends[" ".join([end, *codes])] += 1
        if (seconds := seconds_run(events)) is not None:
            self.longest_job_seconds = max(self.longest_job_seconds, seconds)
        for code in ENGINE_CODES.intersection(codes):
            self.found(f"A job ended with {code}.")


def code_of(answer: httpx.Response) -> str:
    """The `code` of a problem document; "" where there is none."""
    if "problem+json" not in answer.headers.get("content-type", ""):
        return ""
    try:
        return str(answer.json().get("code", ""))
    except ValueError:
        return ""


def last_state(events: list[dict[str, Any]]) -> str:
    """The state that a job's log ends with; "" for a log without one."""
    states = [event["state"]["state"] for event in events if "state" in event]
    return str(states[-1]) if states else ""


def run_span(events: list[dict[str, Any]]) -> tuple[float, float] | None:
    """From when to when a job ran, by its log; None if it never did, or has not ended."""
    ran = [event for event in events if "state" in event and event["state"]["state"] == "running"]
    ends = [event for event in events if "state" in event and event["state"]["state"] in FINAL]
    if not ran or not ends:
        return None
    return _moment(ran[0]), _moment(ends[-1])


def seconds_run(events: list[dict[str, Any]]) -> float | None:
    """How long a job ran, by its log."""
    span = run_span(events)
    return None if span is None else span[1] - span[0]


def _moment(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["at"]).timestamp()
