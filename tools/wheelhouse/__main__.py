"""`python -m wheelhouse FOLDER [--source]`: what the role `worker` gets as `worker_wheelhouse`."""

import argparse
import sys
from pathlib import Path

from housekeeping.errors import HouseError
from wheelhouse.contents import fill


def main() -> int:
    """Fill the folder; prints errors as sentences."""
    parser = argparse.ArgumentParser(prog="wheelhouse", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--source",
        action="store_true",
        help="for a machine of another kind: it fetches and compiles what is not ours",
    )
    chosen = parser.parse_args()
    try:
        fill(chosen.folder.absolute(), complete=not chosen.source)
    except HouseError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
