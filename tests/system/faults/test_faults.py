"""A short, seeded attack on everything, judged from its history alone. `make soak` is the long one.

What fails here prints its seed and the command that does it again.
"""

import subprocess
import sys
from itertools import islice
from pathlib import Path

from system.faults import disconnects
from system.faults.figures import figures
from system.faults.plan import Kind, plan
from system.faults.rig import Orders, run
from system.faults.soak import command, judge

SHORT = Orders(
    seed=4,
    workers=2,
    jobs=16,
    kills=4,
    seconds=15,
    mean_pause=0.8,
    clients=6,
    step_seconds=0.02,
    visibility_seconds=2,
)


def test_nothing_is_lost_nothing_comes_twice_and_nothing_is_taken_back(tmp_path: Path) -> None:
    said: list[str] = []
    outcome = run(SHORT, tmp_path, said.append)
    assert judge(outcome, tmp_path, said.append), "\n".join(said)
    measured = figures(outcome.history, outcome.violations)
    assert measured["jobs"] > 0
    assert measured["kills"] > 0
    assert measured["ends"].get("failed", 0) == 0
    assert outcome.unclean_exits == []


def test_a_transcript_survives_a_bad_line() -> None:
    reading = disconnects.run(SHORT.seed, 100, print, readers=40, deltas=12)
    assert reading.violations == []
    assert reading.figures["disconnects"] >= 100
    assert reading.figures["transcripts"] % 40 == 0


def test_the_same_seed_gives_the_same_plan() -> None:
    def first(seed: int) -> list[object]:
        return list(islice(plan(seed, 3, 1.5, 4), 50))

    assert first(7) == first(7)
    assert first(7) != first(8)
    assert {fault.kind for fault in islice(plan(7, 3, 1.5, 4), 10)} == set(Kind)
    for fault in islice(plan(7, 3, 1.5, 4), 200):
        if fault.kind is Kind.STOP_WORKER:
            assert fault.seconds > 4, "stopped past the visibility timeout"


def test_the_command_that_is_printed_asks_for_the_same() -> None:
    assert command(SHORT) == (
        "make soak ARGS='--seed 4 --workers 2 --jobs 16 --kills 4 --stops 0 --pause 0.8 "
        "--step 0.02 --clients 6 --visibility 2 --seconds 15'"
    )


def test_a_skewed_clock_is_wrong_where_it_should_be() -> None:
    skewed = Path(__file__).with_name("skewed")
    print_skews = (
        "import datetime, time; real = time.clock_gettime(time.CLOCK_REALTIME); "
        "print(time.time() - real, datetime.datetime.now(datetime.UTC).timestamp() - real)"
    )
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            print_skews,
        ],
        env={"PYTHONPATH": str(skewed), "AISTRATUS_CLOCK_SKEW_SECONDS": "3600"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert all(3599 < float(skew) < 3601 for skew in said)
