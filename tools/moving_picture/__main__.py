"""`python -m moving_picture`: films docs/images/demo.webp."""

import argparse
import sys
from pathlib import Path
from typing import Final

from housekeeping import ROOT, debian
from moving_picture.story import film

TARGET: Final = ROOT / "docs" / "images" / "demo.webp"


def main() -> int:
    """Film it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="moving_picture", description=__doc__)
    parser.add_argument("--output", type=Path, default=TARGET)
    target: Path = parser.parse_args().output.absolute()
    chromium = next(need for need in debian.needs() if need.name == "chromium").found()
    if chromium is None:
        sys.stderr.write("The picture is filmed with Chromium, which is not installed.\n")
        return 1
    seconds = film(chromium, target)
    kilobytes = target.stat().st_size / 1000
    sys.stdout.write(f"{target}: {seconds:.0f} s, {kilobytes:.0f} kB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
