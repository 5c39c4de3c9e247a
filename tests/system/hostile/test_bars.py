"""The bars catch what they are there for, and the harness measures what it says."""

import json
import random
from dataclasses import replace
from typing import Any

import httpx
import pytest

from aistratus_contracts.limits import MAX_BODY_BYTES, MAX_GRAMMAR_BYTES
from system.hostile.evidence import Evidence
from system.hostile.processes import Seen
from system.hostile.quiet import Round
from system.hostile.run import Run
from system.hostile.scenarios.bodies import HARD, spoilt
from system.hostile.scenarios.grammars import GRAMMARS, own_16_kb
from system.hostile.scenarios.marks import injection
from system.hostile.scenarios.registry import SCENARIOS, by_name
from system.hostile.slots import at_once
from system.hostile.verdict import Verdict, judge

IDLE = [Round(0.0, 0.02, 0.1, 0.2, 80.0, "succeeded")] * 20


def job(seconds: int, *codes: str, end: str = "succeeded") -> list[dict[str, Any]]:
    return [
        {"at": "2026-11-28T20:00:00.000Z", "state": {"state": "queued"}},
        {"at": "2026-11-28T20:00:01.000Z", "state": {"state": "running"}},
        *({"at": "2026-11-28T20:00:01.000Z", "error": {"code": code}} for code in codes),
        {"at": f"2026-11-28T20:00:{1 + seconds:02}.000Z", "state": {"state": end}},
    ]


def seen(evidence: Evidence, first: float = 0.15, whole: float = 0.2, **changes: Any) -> Run:
    rounds = [Round(0.0, 0.02, first, whole, 80.0, "succeeded")] * 5
    quiet = Run(SCENARIOS[0], evidence, rounds, Seen([], [], {}), 16, 16, 1.0)
    return replace(quiet, **changes)


def verdict(run: Run) -> Verdict:
    return judge(run, IDLE, alone_job_seconds=0.5, full_job_seconds=4.0)


def test_a_quiet_run_holds() -> None:
    assert verdict(seen(Evidence())).faults == ()


def test_a_first_token_may_take_twice_as_long_and_one_job() -> None:
    evidence = Evidence()
    evidence.ended(job(2))
    assert verdict(seen(evidence, first=2.19)).faults == ()
    assert "bar is 2.20" in verdict(seen(evidence, first=2.21)).faults[0]


def test_an_answer_that_stops_in_its_middle_is_a_fault() -> None:
    assert "answer took 30.00 s" in verdict(seen(Evidence(), whole=30.0)).faults[0]


def test_a_job_that_hangs_is_no_excuse_for_the_wait() -> None:
    evidence = Evidence()
    evidence.ended(job(58))
    assert verdict(seen(evidence, first=5.0)).bar_seconds == pytest.approx(4.2)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"slots_serving": 15}, "Only 15 of 16 slots serve."),
        ({"seen": Seen([], ["engine (hung)"], {})}, "Started again: engine (hung)."),
        ({"seen": Seen(["worker"], [], {})}, "The worker's process is another one now."),
        ({"rounds": [Round(0.0, end="given up")]}, "The quiet user's prompt ended 'given up'."),
    ],
)
def test_what_the_system_loses_is_a_fault(changes: dict[str, Any], sentence: str) -> None:
    assert sentence in verdict(seen(Evidence(), **changes)).faults


@pytest.mark.parametrize(
    ("status", "headers", "is_fault"),
    [
        (202, {}, False),
        (422, {}, False),
        (429, {"retry-after": "2"}, False),
        (429, {}, True),
        (500, {}, True),
        (503, {}, True),
        (503, {"retry-after": "2"}, False),
    ],
)
def test_nobody_is_answered_with_a_failure(
    status: int, headers: dict[str, str], is_fault: bool
) -> None:
    evidence = Evidence()
    evidence.answered("POST /infer", httpx.Response(status, headers=headers), 0.1)
    assert bool(verdict(seen(evidence)).faults) is is_fault


def test_a_job_that_brought_the_engine_down_is_a_fault() -> None:
    evidence = Evidence()
    evidence.ended(job(1, "poison", end="failed"))
    evidence.ended(job(1, "invalid_grammar", end="failed"))
    assert verdict(seen(evidence)).faults == ("1 times: A job ended with poison.",)
    assert evidence.ends == {"failed poison": 1, "failed invalid_grammar": 1}


def test_a_job_that_never_ends_is_a_fault() -> None:
    assert "never ended" in verdict(seen(Evidence(unended=["job-1"]))).faults[0]


def test_jobs_one_after_the_other_are_not_at_once() -> None:
    assert at_once([(0, 2), (2, 4), (4, 6)]) == 1
    assert at_once([(0, 3), (1, 4), (2, 5), (5, 6)]) == 3
    assert at_once([]) == 0


def test_scenarios_have_names_of_their_own_and_can_be_picked() -> None:
    names = [scenario.name for scenario in SCENARIOS]
    assert len(set(names)) == len(names)
    assert {it.name for it in by_name(["grammar-"])} == {f"grammar-{name}" for name in GRAMMARS}
    with pytest.raises(ValueError, match="no scenario 'grammer'"):
        by_name(["grammer"])


def test_what_is_at_the_limit_is_at_the_limit() -> None:
    """A body that is refused for its size alone would try nothing."""
    for name, body in HARD.items():
        if name != "one byte too large":
            assert MAX_BODY_BYTES * 0.7 < len(body) <= MAX_BODY_BYTES, name
    large = own_16_kb("salt")["grammar"]
    assert MAX_GRAMMAR_BYTES * 0.9 < len(large.encode()) <= MAX_GRAMMAR_BYTES
    for _, wanted in GRAMMARS.values():
        assert len(json.dumps(wanted)) < MAX_GRAMMAR_BYTES


def test_what_is_random_is_the_same_again() -> None:
    good = b'{"messages":[]}'
    first, again = (spoilt(good, random.Random(7)) for _ in range(2))  # noqa: S311  # no secret
    assert first == again
    assert injection(3) == injection(3)
    assert len({injection(number) for number in range(1000)}) > 900
