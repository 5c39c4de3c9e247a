"""`python -m cloud deploy|plan|drift|…`: what the targets of the Makefile call."""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Hand over to the command; what it needs takes a second to import, and Ctrl-C may come."""
    try:
        from cloud.commands import run  # noqa: PLC0415

        return run(arguments)
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped. Run the same command again to finish.\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
