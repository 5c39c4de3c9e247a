"""The benchmark's options. Standard library only: make reads them before it installs anything."""

import argparse
from pathlib import Path
from typing import Final

from aistratus_local.choices import STANDIN

RESULTS: Final = Path(__file__).resolve().parents[1] / "results"

SHAPE: Final = "shape"
TINY: Final = "tiny"
CHOICES: Final = (SHAPE, STANDIN)

SCENARIOS: Final = (
    "throughput",
    "standin",
    "second_turn",
    "long_prompt",
    "own_time",
    "start",
    "memory",
)
"""The scenarios' names, in the order in which they are measured."""


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = argparse.ArgumentParser(
        prog="engine_bench",
        description="Measures the engine beside other ways to get tokens out of a model.",
    )
    made.add_argument(
        "--rounds", type=_rounds, default=3, help="medians are over this many rounds (3)"
    )
    made.add_argument("--model", choices=CHOICES, help="one of the two; else both")
    made.add_argument(
        "--only",
        nargs="+",
        choices=SCENARIOS,
        metavar="NAME",
        help="of " + ", ".join(SCENARIOS),
    )
    made.add_argument("--quick", action="store_true", help="little of everything: a smoke test")
    made.add_argument("--output", type=Path, default=RESULTS, help="the folder of the results")
    made.add_argument("--json", action="store_true", help="JSON on stdout, not the table")
    return made


def _rounds(text: str) -> int:
    rounds = int(text)
    if rounds < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return rounds
