"""The options of `make bench-gpu`. Standard library only: they are read on a bare machine."""

import argparse
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
"""The repository."""

MOST_MINUTES: Final = 8.0


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = argparse.ArgumentParser(
        prog="bench-gpu", description="Measures the engine on this machine's card."
    )
    made.add_argument("--kit", type=Path, default=ROOT / "build" / "gpu-kit", help="its folder")
    made.add_argument(
        "--output", type=Path, default=ROOT / "build" / "bench-gpu", help="for the results"
    )
    made.add_argument(
        "--rounds", type=_positive, default=3, help="at most; medians are over them (3)"
    )
    made.add_argument(
        "--minutes",
        type=float,
        default=MOST_MINUTES,
        help=f"a further round must end by then ({MOST_MINUTES:g})",
    )
    made.add_argument("--quick", action="store_true", help="little of everything: a smoke test")
    made.add_argument(
        "--cpu", action="store_true", help="without a card, with a tiny model: does it all work?"
    )
    made.add_argument(
        "--draw", type=Path, metavar="JSON", help="only draw the picture of results from elsewhere"
    )
    return made


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
