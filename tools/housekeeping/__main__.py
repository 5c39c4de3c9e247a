"""The house's own command: `tools/setup setup demo`, `tools/setup debian`, `tools/setup lock`."""

import argparse
import os
import sys
from collections.abc import Sequence

from housekeeping import debian, lock, setup
from housekeeping.console import say
from housekeeping.errors import HouseError


def main() -> int:
    """Runs one command; prints errors as sentences.

    `--for TARGET -- WORDS…` first checks the target and its program's arguments.
    """
    divider = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    words = sys.argv[divider + 1 :]
    parser = argparse.ArgumentParser(prog="tools/setup", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("setup", help="bring .venv up to date")
    making.add_argument("set", choices=setup.SETS)
    making.add_argument("--quiet", action="store_true", help="say nothing if nothing is to do")
    making.add_argument("--for", dest="target", default="", help="the target this is for")
    checking = commands.add_parser("check", help="check how a target is called, and no more")
    checking.add_argument("target")
    commands.add_parser("checks", help="bring build/checks up to date, with what checks Terraform")
    commands.add_parser("debian", help="install the Debian packages that tests need")
    commands.add_parser("lock", help="compile requirements/*.txt")
    commands.add_parser("native-wheel", help="compile a release's wheel of llama.cpp, into dist")
    commands.add_parser("pin-wheels", help="pin the wheels of a release")
    chosen = parser.parse_args(sys.argv[1:divider])
    try:
        if getattr(chosen, "target", "") and (code := _checked(chosen.target, words)):
            return code
        if chosen.command == "setup":
            setup.setup(chosen.set, quiet=chosen.quiet)
        elif chosen.command == "checks":
            setup.apart("checks")
        elif chosen.command == "debian":
            debian.provide()
        elif chosen.command == "lock":
            lock.lock()
        elif chosen.command in ("native-wheel", "pin-wheels"):
            from native_wheel import commands as wheels  # noqa: PLC0415  set-up needs nothing of it

            (wheels.build if chosen.command == "native-wheel" else wheels.pin_release)()
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


def _checked(target: str, words: Sequence[str]) -> int:
    """Says what is wrong, if anything; returns the exit code, 0 if the target may run."""
    from preflight.check import check  # noqa: PLC0415  set-up needs nothing of it
    from preflight.errors import PreflightError, WrongCall  # noqa: PLC0415

    try:
        check(target, words, os.environ)
    except PreflightError as error:
        say(str(error))
        return 2 if isinstance(error, WrongCall) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
