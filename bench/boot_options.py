"""The options of `boot_bench`, with only Python's standard library: make reads them first."""

import argparse
from pathlib import Path
from typing import Final

RESULT: Final = Path(__file__).resolve().parent / "results" / "boot.json"


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = argparse.ArgumentParser(
        prog="boot_bench",
        description="Measures a unit's start to READY on a booted systemd.",
    )
    made.add_argument("--rounds", type=int, default=5, help="medians are over this many rounds (5)")
    made.add_argument("--output", type=Path, default=RESULT, help="the JSON file")
    return made
