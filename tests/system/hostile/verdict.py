"""A run against the bars: what was missed, in sentences."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from system.hostile.quiet import Round
from system.hostile.run import Run

# The bar: twice the quiet user's own first token on the idle system, and one job.
IDLE_FACTOR: Final = 2.0
SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run came to. `faults` is empty if every bar was kept; times are in seconds."""

    run: Run
    idle: dict[str, float]
    quiet: dict[str, float]
    one_job_seconds: float
    bar_seconds: float
    faults: tuple[str, ...]

    @property
    def line(self) -> str:
        """What a person sees of it."""
        first, idle = self.quiet, self.idle
        told = (
            f"{self.run.scenario.name:<28} first token {_ms(first, 'first_p50')} / "
            f"{_ms(first, 'first_p95')} (idle {_ms(idle, 'first_p50')} / "
            f"{_ms(idle, 'first_p95')}), {len(self.run.seen.restarts)} restarts, "
            f"{self.run.evidence.accepted} jobs: {'held' if not self.faults else 'MISSED'}"
        )
        return "\n".join([told, *(f"    {fault}" for fault in self.faults)])


def judge(
    run: Run,
    idle: Sequence[Round],
    *,
    alone_job_seconds: float,
    full_job_seconds: float,
    floor_seconds: float = 0.0,
) -> Verdict:
    """Hold a run against every bar.

    One job is the longest of the scenario's own, or a whole one alone on the system where it has
    none; but no longer than the longest that the system gives with all slots in use, so that a
    job that hangs does not excuse the wait for it. `floor_seconds`: no bar is lower, where the
    machine is not the test's own.
    """
    before, during = figures(idle), figures(run.rounds)
    one_job = min(run.evidence.longest_job_seconds or alone_job_seconds, full_job_seconds)
    bar = max(IDLE_FACTOR * before.get("first_p95", 0.0) + one_job, floor_seconds)
    whole_bar = max(IDLE_FACTOR * before.get("whole_p95", 0.0) + one_job, floor_seconds)
    faults = [*_of_the_quiet_user(run, during, bar, whole_bar), *_of_the_system(run)]
    return Verdict(run, before, during, one_job, bar, tuple(faults))


def figures(rounds: Sequence[Round]) -> dict[str, float]:
    """The quiet user's experience in numbers; what never came is in none of them."""
    found: dict[str, float] = {"rounds": len(rounds)}
    for name, values in {
        "accept": [it.accept for it in rounds],
        "first": [it.first for it in rounds],
        "whole": [it.whole for it in rounds],
        "tokens_per_second": [it.tokens_per_second for it in rounds],
    }.items():
        known = sorted(value for value in values if value is not None)
        if known:
            found[f"{name}_p50"] = round(statistics.median(known), 4)
            found[f"{name}_p95"] = round(known[min(len(known) - 1, int(0.95 * len(known)))], 4)
            found[f"{name}_max"] = round(known[-1], 4)
    return found


def _of_the_quiet_user(
    run: Run, during: dict[str, float], bar: float, whole_bar: float
) -> list[str]:
    faults = [
        f"The quiet user's prompt ended {each.end!r}."
        for each in run.rounds
        if each.end != "succeeded"
    ][:SHOWN]
    if (p95 := during.get("first_p95")) is not None and p95 > bar:
        faults.append(f"The quiet user's first token came after {p95:.2f} s; the bar is {bar:.2f}.")
    if (p95 := during.get("whole_p95")) is not None and p95 > whole_bar:
        # An answer that stops in its middle has had its first token in time.
        faults.append(f"The quiet user's answer took {p95:.2f} s; the bar is {whole_bar:.2f}.")
    return faults


def _of_the_system(run: Run) -> list[str]:
    evidence = run.evidence
    faults = [f"Started again: {what}." for what in run.seen.restarts]
    if not faults:
        faults += [f"The {name}'s process is another one now." for name in run.seen.replaced]
    if run.slots_serving is not None and run.slots_serving < run.slots:
        faults.append(f"Only {run.slots_serving} of {run.slots} slots serve.")
    if evidence.unended:
        faults.append(f"{len(evidence.unended)} accepted jobs never ended: {evidence.unended[0]}.")
    faults += [f"{count} answers {what}." for what, count in evidence.unexpected.most_common(SHOWN)]
    faults += [f"{count} times: {what}" for what, count in evidence.findings.most_common(SHOWN)]
    return faults


def plain(verdict: Verdict) -> dict[str, Any]:
    """What is kept of it."""
    run, evidence = verdict.run, verdict.run.evidence
    return {
        "scenario": run.scenario.name,
        "what": run.scenario.sentence,
        "held": not verdict.faults,
        "faults": list(verdict.faults),
        "seconds": round(run.seconds, 1),
        "quiet": verdict.quiet,
        "idle": verdict.idle,
        "one_job_seconds": round(verdict.one_job_seconds, 3),
        "bar_seconds": round(verdict.bar_seconds, 3),
        "restarts": run.seen.restarts,
        "slots": {"all": run.slots, "serving": run.slots_serving},
        "jobs": {
            "accepted": evidence.accepted,
            "ends": dict(sorted(evidence.ends.items())),
            "cancelled_at_the_end": evidence.cancelled_at_end,
            "never_ended": len(evidence.unended),
            "longest_seconds": round(evidence.longest_job_seconds, 3),
        },
        "answers": dict(sorted(evidence.answers.items())),
        "codes": dict(sorted(evidence.codes.items())),
        "broken_connections": dict(sorted(evidence.broken.items())),
        "slowest_answer_seconds": round(evidence.slowest_seconds, 3),
        "peak_mib": run.seen.peak_mib,
    }


def _ms(figures: dict[str, float], name: str) -> str:
    return f"{figures[name] * 1000:.0f} ms" if name in figures else "never"
