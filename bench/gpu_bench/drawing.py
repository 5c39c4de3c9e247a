"""The results' picture, where matplotlib is: perhaps not on the machine with the card."""

import json
import sys
from pathlib import Path


def draw(results: Path) -> int:
    """Draw the picture beside the JSON of the results; returns the exit code."""
    try:
        from engine_bench import picture, report  # noqa: PLC0415  a bare machine lacks matplotlib
    except ImportError as error:
        sys.stderr.write(
            f"→ {results}; there is no {error.name} here for the picture. Where the repository is "
            f'set up: make bench-gpu ARGS="--draw {results}".\n'
        )
        return 1
    try:
        found = report.from_plain(json.loads(results.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError) as error:
        sys.stderr.write(f"{results} holds no results ({error!r}): name the JSON of a run.\n")
        return 1
    target = results.with_suffix(".png")
    picture.draw(found, target)
    sys.stderr.write(f"→ {results}, {target.name}\n")
    return 0
