"""The house's own command: `tools/setup setup demo`, `tools/setup debian`, `tools/setup lock`."""

import _signal  # type: ignore[import-not-found]  # built in: `signal` itself imports for long
import os

if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:  # a background job ignores it
    # Until `main` handles it, Ctrl-C ends the process without a word: imports take a while.
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
if number := os.environ.pop("AISTRATUS_STDERR", ""):  # see tools/setup
    os.dup2(int(number), 2)
    os.close(int(number))

import argparse
import signal
import sys
from collections.abc import Sequence

from housekeeping import debian, lock, setup
from housekeeping.console import say
from housekeeping.errors import HouseError


def main() -> int:
    """Runs one command; prints errors as sentences."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        divider = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
        return _run(_parser().parse_args(sys.argv[1:divider]), sys.argv[divider + 1 :])
    except HouseError as error:
        say(f"\n{error}")
        return 1
    except OSError as error:
        say(f"\nSet-up stopped: {error.strerror} ({error.filename}). Mend that and run it again.")
        return 1
    except KeyboardInterrupt:
        say("\nStopped. The next run goes on from here.")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tools/setup", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("setup", help="bring .venv up to date")
    making.add_argument("set", choices=setup.SETS)
    for name, does in (
        ("check", "check how a target is called, and no more"),
        ("ready", "check it with its arguments, after --, and install what it needs"),
    ):
        checking = commands.add_parser(name, help=does)
        checking.add_argument("target")
    commands.add_parser("checks", help="bring build/checks up to date, with what checks Terraform")
    commands.add_parser("debian", help="install the Debian packages that tests need")
    commands.add_parser("lock", help="compile requirements/*.txt")
    commands.add_parser("native-wheel", help="compile a release's wheel of llama.cpp, into dist")
    commands.add_parser("cuda-wheel", help="compile llama.cpp for a card, into dist")
    commands.add_parser("bench-gpu-kit", help="what make bench-gpu needs on a bare machine")
    commands.add_parser("pin-wheels", help="pin the wheels of a release")
    return parser


def _run(chosen: argparse.Namespace, words: Sequence[str]) -> int:
    """Run the command; `words` are the arguments of a target's program."""
    match chosen.command:
        case "check" | "ready":
            return _ready(chosen.target, words, is_check=chosen.command == "check")
        case "setup":
            setup.setup(chosen.set)
        case "checks":
            setup.apart("checks")
        case "debian":
            debian.provide()
        case "lock":
            lock.lock()
        case "native-wheel" | "pin-wheels":
            from native_wheel import commands as wheels  # noqa: PLC0415  set-up needs nothing of it

            (wheels.build if chosen.command == "native-wheel" else wheels.pin_release)()
        case "cuda-wheel" | "bench-gpu-kit":
            from cuda_wheel import commands as cuda  # noqa: PLC0415  set-up needs nothing of it

            cuda.build() if chosen.command == "cuda-wheel" else cuda.fill_kit(words)
    return 0


def _ready(target: str, words: Sequence[str], *, is_check: bool) -> int:
    """Says what is wrong, if anything; returns the exit code, 0 if the target may run."""
    from preflight.check import check  # noqa: PLC0415  set-up needs nothing of it
    from preflight.errors import PreflightError, WrongCall  # noqa: PLC0415

    try:
        needed = check(target, words, os.environ)
    except PreflightError as error:
        say(str(error))
        return 2 if isinstance(error, WrongCall) else 1
    if not is_check:
        setup.setup(needed, quiet=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
