"""The options of `make attack`, with only Python's standard library.

So make refuses wrong ones before it installs anything.
"""

import argparse
from pathlib import Path
from typing import Final

RESULTS: Final = Path(__file__).resolve().parents[3] / "bench" / "results"


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = argparse.ArgumentParser(
        prog="make attack ARGS=…",
        description="Let one user do all that is hostile, beside a quiet one.",
    )
    made.add_argument("--only", action="append", help="a scenario, or what its name begins with")
    made.add_argument("--list", action="store_true", help="list the scenarios, and run none")
    made.add_argument("--seconds", type=float, help="for each scenario, in place of its own")
    made.add_argument("--short", action="store_true", help="as in CI")
    made.add_argument(
        "--jobs", type=int, metavar="N", help="N hostile jobs (10000), then count the slots"
    )
    made.add_argument("--json", type=Path, help="the JSON file, if not in the output folder")
    made.add_argument("--output", type=Path, default=RESULTS, help="the folder of the report")
    return made
