"""The options of `make soak`, with only Python's standard library.

So make refuses wrong ones before it installs anything.
"""

import argparse
from pathlib import Path
from typing import Final

RESULT: Final = Path(__file__).resolve().parents[3] / "bench" / "results" / "soak.json"


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = argparse.ArgumentParser(
        prog="make soak ARGS=…",
        description="Attack the system, and prove from its history that it held.",
    )
    made.add_argument("--seed", type=int, help="of the plan; a random one by default")
    made.add_argument("--workers", type=int, default=3, help="instances, each with an engine")
    made.add_argument("--jobs", type=int, default=1000, help="at least this many")
    made.add_argument("--kills", type=int, default=200, help="of workers and engines, at least")
    made.add_argument("--stops", type=int, default=50, help="past the visibility timeout")
    made.add_argument("--seconds", type=float, default=float("inf"), help="no longer than this")
    made.add_argument("--pause", type=float, default=1.5, help="mean seconds between faults")
    made.add_argument("--step", type=float, default=0.04, help="seconds a token of an answer")
    made.add_argument("--clients", type=int, default=0, help="four for each worker by default")
    made.add_argument("--visibility", type=int, default=4, help="the queue's timeout in seconds")
    made.add_argument("--disconnects", type=int, default=10_000, help="of readers, afterwards")
    made.add_argument("--output", type=Path, default=RESULT, help="the JSON file")
    return made
