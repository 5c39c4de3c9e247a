"""A question to the demo: one answer, in the terminal.

Uses the demo that is running here; if there is none, starts the system for this question.
"""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aistratus_desktop.ask import ask as ask_gateway
from aistratus_desktop.gateway import GatewayClient
from aistratus_desktop.signin import ManagedLogin
from aistratus_desktop.tokens import Tokens
from aistratus_local.choices import STANDIN
from aistratus_local.console import Console
from aistratus_local.environment import WITHOUT_PROXY
from aistratus_local.errors import LocalError
from aistratus_local.models import LocalModel, local_model, model_id
from aistratus_local.ports import PortNumbers
from aistratus_local.signin import sign_in
from aistratus_local.stack import StackSettings, running
from aistratus_local.state import StackState, find_running, state_folder

INTERRUPTED: Final = 130


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask, of which model, of the demo whose API has that port."""

    prompt: str
    model: str
    gateway_port: int
    as_json: bool = False


def ask(question: Question) -> int:
    """Ask and print the answer; returns the exit code. Raises `LocalError`."""
    found = find_running(state_folder(question.gateway_port))
    if found is not None:
        return asyncio.run(_ask_running(found, question))
    console = Console(sys.stderr)
    # Before starting anything that Ctrl-C would have to stop: this may take minutes.
    model = local_model(question.model, console)
    return asyncio.run(_ask_own(model, question, console))


async def _ask_running(found: StackState, question: Question) -> int:
    if question.model != STANDIN and found.model != model_id(question.model):
        raise LocalError(
            f"The demo that runs here answers with {found.model}. Stop it first, or ask without "
            "MODEL."
        )
    return await _put(found, question, _interrupted())


async def _ask_own(model: LocalModel, question: Question, console: Console) -> int:
    """Start the system for this question, on free ports and in a folder of its own."""
    stop = _interrupted()
    folder = Path(tempfile.mkdtemp(prefix="aistratus-ask-"))
    settings = StackSettings(PortNumbers(0, 0, 0, 0), model, folder, with_app=False)
    console.working("Starting the system for this question")
    async with running(settings, lambda what, _: console.working(f"{what} is there")) as stack:
        starting = asyncio.create_task(stack.or_failure(stack.start()))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        console.clear()
        if starting.done():
            code = await stack.or_failure(_put(starting.result(), question, stop))
        else:
            code = INTERRUPTED
            starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
    # Not after an error: its text names a log in that folder.
    shutil.rmtree(folder, ignore_errors=True)
    return code


def _interrupted() -> asyncio.Event:
    """Set by Ctrl-C, SIGTERM or a closed terminal."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _put(state: StackState, question: Question, stop: asyncio.Event) -> int:
    """Sign in as the demo's user and ask the question."""
    os.environ.update(WITHOUT_PROXY)
    login = ManagedLogin(state.login_url, state.client_id)
    tokens = Tokens(login)
    try:
        tokens.sign_in(await sign_in(state.login_url, state.client_id, state.user, state.password))
        async with GatewayClient(state.api_url, tokens) as client:
            return int(
                await ask_gateway(
                    question.prompt,
                    client,
                    sys.stdout,
                    sys.stderr,
                    as_json=question.as_json,
                    stop=stop,
                )
            )
    finally:
        await tokens.sign_out()
        await login.close()
