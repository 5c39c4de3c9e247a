"""`python -m cloud deploy|plan|drift|…`, which the Makefile's targets call."""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Its imports take a second, during which Ctrl-C is handled too."""
    try:
        from cloud.commands import run  # noqa: PLC0415

        return run(arguments)
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped. Run the same command again to finish.\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
