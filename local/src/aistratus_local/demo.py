"""`aistratus demo`: the whole system, until Ctrl-C."""

import asyncio
import os
import shlex
import signal
import sys
import time
import webbrowser
from collections.abc import Mapping
from contextlib import suppress

from aistratus_local.console import Console, megabytes
from aistratus_local.models import LocalModel, local_model
from aistratus_local.options import Options
from aistratus_local.ports import VARIABLES, PortNumbers, claim
from aistratus_local.stack import Stack, StackSettings, running
from aistratus_local.state import STATE_VARIABLE, StackState, held, state_folder


def run(options: Options) -> int:
    """Run the demo until it is stopped; returns the exit code. Raises `LocalError`."""
    console = Console(sys.stdout)
    # Fail now rather than after a long download.
    with held(state_folder(options.ports.gateway)):
        claim(options.ports)
    console.say("Aistratus, all of it, on this machine")
    began = time.monotonic()
    # Before starting anything that Ctrl-C would have to stop: this may take minutes.
    model = local_model(options.model, console)
    size = megabytes(model.path.stat().st_size)
    console.done(f"model: {model.card.title}, {size} MB", time.monotonic() - began)
    return asyncio.run(demo(options, model, console))


async def demo(options: Options, model: LocalModel, console: Console) -> int:
    """Start everything, print its addresses, wait for the end, stop everything."""
    began = time.monotonic()
    settings = StackSettings(
        options.ports, model, state_folder(options.ports.gateway), with_app=options.with_app
    )
    async with running(settings, console.done) as stack:
        stop = _signals(stack, console)
        starting = asyncio.create_task(stack.or_failure(stack.start()))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            state = starting.result()
            _say_hello(console, state, settings, time.monotonic() - began)
            if options.with_app and options.with_browser:
                await asyncio.to_thread(_open_browser, state.app_url)
            await stack.or_failure(stopping)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
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
    console.say(f"  From here    {ask_line(settings.ports.gateway)}")
    console.say()
    console.say("Ctrl-C stops everything.")


def ask_line(gateway_port: int, environment: Mapping[str, str] | None = None) -> str:
    """The command that asks this demo and not another one beside it."""
    environment = os.environ if environment is None else environment
    which = ""
    if folder := environment.get(STATE_VARIABLE):
        which = f"{STATE_VARIABLE}={shlex.quote(folder)} "
    elif gateway_port != PortNumbers().gateway:
        which = f"{VARIABLES['gateway']}={gateway_port} "
    return f'make ask {which}PROMPT="What is Aistratus?"'


def _signals(stack: Stack, console: Console) -> asyncio.Event:
    """The first Ctrl-C (or SIGTERM, or a closed terminal) stops in order, the second kills."""
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


def _open_browser(url: str) -> None:
    """Only with a screen: a text-mode browser would take over this terminal."""
    has_screen = sys.platform == "darwin" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    if has_screen:
        with suppress(webbrowser.Error):
            webbrowser.open(url)
