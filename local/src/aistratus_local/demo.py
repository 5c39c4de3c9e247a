"""`python -m aistratus_local demo`: the whole system, until Ctrl-C."""

import asyncio
import os
import signal
import sys
import time
import webbrowser
from collections.abc import Sequence
from contextlib import suppress

from aistratus_local.console import Console, megabytes
from aistratus_local.errors import LocalError
from aistratus_local.models import local_model
from aistratus_local.options import Options, read_options
from aistratus_local.stack import Stack, StackSettings, running
from aistratus_local.state import StackState, state_folder


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; returns the exit code."""
    console = Console(sys.stdout)
    try:
        options = read_options("demo", sys.argv[1:] if arguments is None else arguments)
        return asyncio.run(demo(options, console))
    except LocalError as error:
        console.say(str(error))
        return 1


async def demo(options: Options, console: Console) -> int:
    """Start everything, say where it is, wait for the end, stop everything."""
    began = time.monotonic()
    console.say("Aistratus, all of it, on this machine")
    model = await asyncio.to_thread(local_model, options.model, console)
    console.done(f"model: {model.card.title}, {_size(model.path)}", time.monotonic() - began)
    settings = StackSettings(
        options.ports, model, state_folder(options.ports.gateway), with_app=options.with_app
    )
    async with running(settings, console.done) as stack:
        stop = _signals(stack, console)
        starting = asyncio.create_task(stack.start())
        await _first(starting, stop.wait(), stack.failed)
        if not starting.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            _raise_failure(stack)
        else:
            _say_hello(console, starting.result(), settings, time.monotonic() - began)
            if options.with_app and options.with_browser:
                await asyncio.to_thread(_open_browser, starting.result().app_url)
            await _first(stop.wait(), stack.failed)
            _raise_failure(stack)
        console.say()
        console.working("stopping")
    console.say("Stopped; nothing is left running.")
    return 0


def _say_hello(
    console: Console, state: StackState, settings: StackSettings, seconds: float
) -> None:
    console.say()
    console.say(f"Ready after {seconds:.1f} s.")
    if state.app_url:
        console.say(f"  Chat         {state.app_url}")
        console.say(f"  Sign in as   {state.user}, password {state.password} (it is filled in)")
    console.say(f"  API          {state.api_url}")
    console.say(f"  Logs         {settings.state_dir / 'logs'}")
    console.say('  From here    make ask PROMPT="What is Aistratus?"')
    console.say()
    console.say("Ctrl-C stops everything.")


def _signals(stack: Stack, console: Console) -> asyncio.Event:
    """The first Ctrl-C (or SIGTERM, or a closed terminal) stops in order, the second at once."""
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            console.say("Stopping at once.")
            stack.kill()
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, on_signal)
    return stop


async def _first(*things: object) -> None:
    """Wait for the first of several to be done; what it came to is looked at elsewhere."""
    tasks = [asyncio.ensure_future(thing) for thing in things]  # type: ignore[call-overload]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for thing, task in zip(things, tasks, strict=True):
        if task is not thing:
            task.cancel()


def _raise_failure(stack: Stack) -> None:
    if stack.failed.done():
        raise stack.failed.result()


def _open_browser(url: str) -> None:
    """Where there is a screen; a browser that lives in this terminal would take it over."""
    has_screen = sys.platform == "darwin" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    if has_screen:
        with suppress(webbrowser.Error):
            webbrowser.open(url)


def _size(path: "os.PathLike[str]") -> str:
    return f"{megabytes(os.stat(path).st_size)} MB"  # noqa: PTH116


if __name__ == "__main__":
    sys.exit(main())
