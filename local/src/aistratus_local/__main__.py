"""`python -m aistratus_local demo|ask|interrupt|redrive|token …`."""

import os
import sys


def main() -> int:
    """Run the command; its imports are loaded only then."""
    command, arguments = sys.argv[1:2], sys.argv[2:]
    if command == ["demo"]:
        from aistratus_local.demo import main as demo  # noqa: PLC0415

        return demo(arguments)
    if command == ["ask"]:
        from aistratus_local.ask import main as ask  # noqa: PLC0415

        return ask(arguments)
    if command == ["interrupt"]:
        from aistratus_local.interrupt import main as interrupt  # noqa: PLC0415

        return interrupt(arguments)
    if command == ["redrive"]:
        from aistratus_local.redrive import main as redrive  # noqa: PLC0415

        return redrive(arguments)
    if command == ["token"]:
        from aistratus_local.token import main as token  # noqa: PLC0415

        return token(arguments)
    sys.stderr.write(
        "Say `demo`, `ask`, `interrupt`, `redrive` or `token`: "
        "python -m aistratus_local demo --help\n"
    )
    return 2


if __name__ == "__main__":
    try:
        code = main()
        sys.stdout.flush()
        sys.exit(code)
    except BrokenPipeError:  # the reader has exited, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:  # nothing runs yet; a partial download is kept and resumed later
        sys.stderr.write("\nStopped.\n")
        sys.exit(130)
