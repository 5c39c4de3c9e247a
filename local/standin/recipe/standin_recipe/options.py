"""The recipe's options, with only Python's standard library.

So make refuses wrong ones before it installs PyTorch.
"""

from __future__ import annotations

import argparse
from pathlib import Path

STEPS = 1400
SEED = 20

PLAIN_SENTENCE = (
    "This is a stand-in: it has learned a few hundred answers about Aistratus by heart and is "
    "no assistant. For a real model start `make demo MODEL=tinyllama`."
)

_WEIGHTS = Path(__file__).resolve().parents[3] / "src" / "aistratus_local" / "weights"


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = argparse.ArgumentParser(prog="standin_recipe", description=PLAIN_SENTENCE)
    made.add_argument("--seed", type=int, default=SEED, help="default: %(default)s")
    made.add_argument("--steps", type=int, help=f"training steps (default: {STEPS})")
    made.add_argument(
        "--bfloat16", action="store_true", help="half the time on a processor with AMX"
    )
    made.add_argument("--output", type=Path, default=_WEIGHTS, help="folder of the GGUF")
    return made
