"""What a history says in numbers."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from system.faults.checker import Violation
from system.faults.history import (
    Accepted,
    Action,
    Appended,
    Disturbed,
    History,
    Logged,
    Received,
    Settled,
    event_of,
)
from system.faults.plan import KILLS, Kind


@dataclass(frozen=True, slots=True)
class Sample:
    """How long something took after a fault; `is_clean`: no other fault came in between."""

    seconds: float
    is_clean: bool


def figures(history: History, violations: Iterable[Violation]) -> dict[str, Any]:
    """All that is measured, by name. Times are in seconds."""
    faults = Counter(disturbed.fault for disturbed in history.all(Disturbed))
    broken = Counter(violation.rule for violation in violations)
    ends = Counter(
        event.body.state.value  # type: ignore[union-attr]
        for event in (event_of(logged.raw) for logged in history.all(Logged))
        if event.ends_job
    )
    appends, settled = stale_operations(history)
    return {
        "jobs": len(history.all(Accepted)),
        "ends": dict(sorted(ends.items())),
        "kills": sum(faults[kind] for kind in KILLS),
        "faults": dict(sorted(faults.items())),
        "lost": broken["lost"],
        "ended_twice": broken["ended twice"],
        "reordered": broken["reordered"] + broken["turn out of order"],
        "retracted": broken["retracted"],
        "violations": dict(sorted(broken.items())),
        "stopped_past_visibility": faults[Kind.STOP_WORKER],
        "stale_appends_refused": appends,
        "stale_receipts_refused": settled,
        "engine_killed_to_next_token": spread(after_engine_kills(history)),
        "worker_killed_to_next_token": spread(after_worker_kills(history)),
        "drain_to_receivable": spread(after_drains(history)),
    }


def spread(samples: list[Sample]) -> dict[str, Any]:
    """Percentiles of all samples, and of those that no other fault has touched."""
    clean = [sample.seconds for sample in samples if sample.is_clean]
    return {
        "all": _percentiles([sample.seconds for sample in samples]),
        "undisturbed": _percentiles(clean),
    }


def after_engine_kills(history: History) -> list[Sample]:
    """For each job in an engine that was killed: until its next token was committed.

    What the worker commits of the dead engine's last words does not count: only what comes once
    the next engine listens.
    """
    return [
        _sample(history, disturbed, append.at, {disturbed.worker})
        for disturbed in _of(history, Kind.KILL_ENGINE)
        for append in _next_tokens(history, disturbed, disturbed.until)
    ]


def after_worker_kills(history: History) -> list[Sample]:
    """For each job of a worker that was killed: until its next token was committed, by anyone."""
    return [
        _sample(history, disturbed, append.at, {disturbed.worker, append.instance})
        for disturbed in _of(history, Kind.KILL_WORKER)
        for append in _next_tokens(history, disturbed, disturbed.at)
    ]


def after_drains(history: History) -> list[Sample]:
    """For each message of a worker that was told to leave: until others could receive it."""
    return [
        _sample(history, disturbed, settled.at, {disturbed.worker})
        for disturbed in _of(history, Kind.DRAIN_WORKER)
        for settled in _released(history, disturbed)
    ]


def stale_operations(history: History) -> tuple[int, int]:
    """How many appends of overtaken writers, and uses of receipts run out, were refused."""
    takes: defaultdict[str, list[Appended]] = defaultdict(list)
    for append in history.all(Appended):
        if append.accepted and append.takes_over:
            takes[append.job].append(append)
    appends = sum(
        not append.accepted
        and any(
            take.writer != append.writer
            and take.at < append.began
            and take.attempt >= append.attempt
            for take in takes[append.job]
        )
        for append in history.all(Appended)
    )
    return appends, sum(not settled.accepted for settled in history.all(Settled))


def _of(history: History, kind: Kind) -> list[Disturbed]:
    return [disturbed for disturbed in history.all(Disturbed) if disturbed.fault == kind]


def _next_tokens(history: History, disturbed: Disturbed, since: float) -> list[Appended]:
    """For each job that the instance ran at that moment, the next append that its reader feels."""
    found = []
    for appends in history.by_job(Appended).values():
        through = sorted((a for a in appends if a.accepted), key=lambda append: append.at)
        index = bisect_right([append.at for append in through], disturbed.at)
        if not index or through[index - 1].is_end:
            continue
        if through[index - 1].instance != disturbed.worker:
            continue
        felt = (a for a in through[index:] if a.began >= since and ("delta" in a.kinds or a.is_end))
        append = next(felt, None)
        if append is not None:
            found.append(append)
    return found


def _held(history: History, disturbed: Disturbed) -> set[str]:
    """The receipts that the instance had at that moment, as far as it had not settled them."""
    held = {
        received.receipt
        for received in history.all(Received)
        if received.worker.partition(".")[0] == disturbed.worker and received.at < disturbed.at
    }
    for settled in history.all(Settled):
        if settled.at < disturbed.at and (
            not settled.accepted or settled.action is not Action.EXTEND
        ):
            held.discard(settled.receipt)
    return held


def _released(history: History, disturbed: Disturbed) -> list[Settled]:
    """What the instance gave back of what it held at that moment."""
    held = _held(history, disturbed)
    return [
        settled
        for settled in history.all(Settled)
        if settled.receipt in held
        and settled.action is Action.RELEASE
        and settled.accepted
        and disturbed.at <= settled.at <= disturbed.until
    ]


def _sample(history: History, cause: Disturbed, at: float, instances: set[str]) -> Sample:
    others = (
        other
        for other in history.all(Disturbed)
        if other is not cause and other.worker in instances
    )
    is_clean = not any(other.at < at and other.until > cause.at for other in others)
    return Sample(at - cause.at, is_clean)


def _percentiles(seconds: list[float]) -> dict[str, float | int]:
    if not seconds:
        return {"count": 0}
    ordered = sorted(seconds)

    def share(part: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(part * len(ordered)))], 3)

    return {"count": len(ordered), "p50": share(0.5), "p99": share(0.99), "max": share(1.0)}
