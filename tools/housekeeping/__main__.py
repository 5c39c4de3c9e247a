"""The house's own command: `tools/setup setup demo`, `tools/setup debian`, `tools/setup lock`."""

import argparse
import sys

from housekeeping import debian, lock, setup
from housekeeping.console import say
from housekeeping.errors import HouseError


def main() -> int:
    """Runs one command; an error is a sentence."""
    parser = argparse.ArgumentParser(prog="tools/setup", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("setup", help="bring .venv up to date")
    making.add_argument("set", choices=setup.SETS)
    making.add_argument("--quiet", action="store_true", help="say nothing if nothing is to do")
    commands.add_parser("checks", help="bring build/checks up to date, with what checks Terraform")
    commands.add_parser("debian", help="install the Debian packages that tests need")
    commands.add_parser("lock", help="compile requirements/*.txt")
    chosen = parser.parse_args()
    try:
        if chosen.command == "setup":
            setup.setup(chosen.set, quiet=chosen.quiet)
        elif chosen.command == "checks":
            setup.apart("checks")
        elif chosen.command == "debian":
            debian.provide()
        else:
            lock.lock()
    except HouseError as error:
        say(f"\n{error}")
        return 1
    except OSError as error:
        say(f"\nSet-up stopped: {error.strerror} ({error.filename}). Mend that and run it again.")
        return 1
    except KeyboardInterrupt:
        say("\nStopped. The next run goes on from here.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
