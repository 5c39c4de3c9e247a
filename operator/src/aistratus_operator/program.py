"""Runs a command of `aistratus`: its exit codes, Ctrl-C, closed pipes, and errors as sentences.

A command ends with 0 if it did its work, 1 if it could not, 2 after a wrong call, 130 after
Ctrl-C. Commands that answer with more codes say so in their help.

Modules that take long to import are imported when their command runs, in reach of the handlers.
"""

import os
import signal
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Final

WRONG_CALL: Final = 2
INTERRUPTED: Final = 130

_CHANGES: Final = frozenset({"deploy", "destroy", "bootstrap"})
"""What a second run of the command finishes, if the first one is stopped."""

APP_PORT: Final = 8571
"""One of the ports that the login leads back to (RFC 8252); they are registered in the pool."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, by default that of this process; returns the exit code."""
    try:
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        code = _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped.\n")
        return INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return 0
    except Exception as error:  # noqa: BLE001  whatever it is, the person gets a sentence
        return _fault(error)
    return code


def _run(arguments: Sequence[str]) -> int:
    from aistratus_local.errors import LocalError  # noqa: PLC0415
    from aistratus_local.errors import Usage as LocalUsage  # noqa: PLC0415
    from aistratus_operator.arguments import check_programs, needed_set, read  # noqa: PLC0415
    from aistratus_operator.errors import OperatorError, Usage  # noqa: PLC0415

    needed, changes_cloud = "operator", False
    try:
        chosen = read(arguments)
        needed, changes_cloud = needed_set(chosen), chosen.command in _CHANGES
        check_programs(chosen)
        return _serve(chosen)
    except KeyboardInterrupt:
        if not changes_cloud:
            raise
        sys.stderr.write("\nStopped. Run the same command again to finish.\n")
        return INTERRUPTED
    except SystemExit as end:  # argparse has shown its help
        return int(end.code or 0)
    except (Usage, LocalUsage) as error:
        sys.stderr.write(f"{error}\n")
        return WRONG_CALL
    except (OperatorError, LocalError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except ModuleNotFoundError as error:
        sys.stderr.write(
            f"This command needs {error.name}, which is not installed. Install it with: "
            f"tools/setup setup {needed}\n"
        )
        return 1


def _serve(chosen: Namespace) -> int:
    match chosen.command, chosen.place:
        case "demo", _:
            from aistratus_local.demo import run as demo  # noqa: PLC0415

            return demo(chosen.options)
        case "interrupt", _:
            from aistratus_local.endings import Ending  # noqa: PLC0415
            from aistratus_operator.demo.interrupt import interrupt  # noqa: PLC0415

            return interrupt(Ending(chosen.ending), chosen.port)
        case "token", _:
            from aistratus_operator.demo.token import print_token  # noqa: PLC0415

            return print_token(chosen.port)
        case "ask", "demo":
            return _ask_the_demo(chosen)
        case "redrive", "demo":
            return _redrive_the_demo(chosen)
        case (("ask" | "app"), _):
            return _use_what_is_deployed(chosen)
        case _:
            from aistratus_operator.cloud.commands import run  # noqa: PLC0415

            return run(chosen)


def _ask_the_demo(chosen: Namespace) -> int:
    from aistratus_desktop.prompt import WrongPrompt, read_prompt  # noqa: PLC0415
    from aistratus_operator.demo.ask import Question, ask  # noqa: PLC0415
    from aistratus_operator.errors import Usage  # noqa: PLC0415

    try:
        prompt = read_prompt(chosen.prompt)
    except WrongPrompt as error:
        raise Usage(str(error)) from error
    return ask(Question(prompt, chosen.model, chosen.port, as_json=chosen.json))


def _redrive_the_demo(chosen: Namespace) -> int:
    from aistratus_operator.demo.running import demo_environment  # noqa: PLC0415
    from aistratus_operator.redrive import run  # noqa: PLC0415

    os.environ.update(demo_environment(chosen.port))
    return run(chosen.request, os.environ)


def _use_what_is_deployed(chosen: Namespace) -> int:
    from aistratus_desktop.settings import FILE_VARIABLE  # noqa: PLC0415
    from aistratus_operator.cloud.public_file import PUBLIC_FILE  # noqa: PLC0415

    if PUBLIC_FILE.is_file():  # of this checkout, wherever the command is called
        os.environ.setdefault(FILE_VARIABLE, str(PUBLIC_FILE))
    if chosen.command == "app":
        from aistratus_desktop.web import main as serve  # noqa: PLC0415

        return serve(["--port", str(APP_PORT)])
    from aistratus_desktop.ask import main as ask  # noqa: PLC0415

    return ask([*(["--json"] if chosen.json else []), "--", chosen.prompt])


def _forget_stdout() -> None:
    """Discard the interpreter's last flush: the reader has closed the pipe, as `head` does."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fault(error: Exception) -> int:
    """Keep the traceback in a file, and say where; returns the exit code."""
    import tempfile  # noqa: PLC0415
    import traceback  # noqa: PLC0415

    handle, name = tempfile.mkstemp(prefix="aistratus-fault-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        traceback.print_exception(error, file=file)
    gist = " ".join(f"{type(error).__name__}: {error}".split())
    sys.stderr.write(
        f"aistratus failed by a fault of its own ({gist}). Report it with {Path(name)}, which has "
        "the details.\n"
    )
    return 1
