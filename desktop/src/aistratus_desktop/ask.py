"""A question from the terminal: `python -m aistratus_desktop.ask "What is Aistratus?"`."""

import argparse
import asyncio
import io
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final, TextIO

from aistratus_contracts.event import (
    Delta,
    Event,
    JobError,
    Notice,
    StateChange,
    event_to_plain,
)
from aistratus_contracts.states import FinishReason, JobState
from aistratus_desktop.gateway import GatewayClient, GatewayError, SignInNeeded
from aistratus_desktop.native import KeyringStore, sign_in_with_browser
from aistratus_desktop.prompt import WrongPrompt, read_prompt
from aistratus_desktop.settings import Settings, SettingsError, load_settings
from aistratus_desktop.signin import ManagedLogin, SignInFailed
from aistratus_desktop.tokens import Tokens

# After Ctrl-C: how long to wait for the job's last event before exiting anyway.
FAREWELL_SECONDS: Final = 5.0


class ExitCode(IntEnum):
    """The command's exit code."""

    ANSWERED = 0
    FAILED = 1
    USAGE = 2
    SIGN_IN_NEEDED = 3


@dataclass(slots=True)
class _Printer:
    """Prints the answer to `out` and everything else to `err`."""

    out: TextIO
    err: TextIO
    as_json: bool
    is_talkative: bool
    job_id: str = ""
    state: JobState = JobState.QUEUED
    reason: FinishReason | None = None
    _status_shown: bool = field(default=False, init=False)
    _line_open: bool = field(default=False, init=False)

    def event(self, event: Event) -> None:
        """Print one event of the job."""
        if self.as_json:
            print(json.dumps(event_to_plain(event), ensure_ascii=False), file=self.out, flush=True)
        match event.body:
            case Delta(text=text) if not self.as_json:
                self.status("")
                self.out.write(text)
                self.out.flush()
                self._line_open = not text.endswith("\n")
            case StateChange(state=state, finish_reason=reason):
                self.state, self.reason = state, reason
                if state is JobState.RUNNING:
                    self.status("Thinking …")
            case Notice(message=message) | JobError(message=message):
                self.say(message)

    def status(self, text: str) -> None:
        """Show a status line, on a terminal only; the next line replaces it."""
        if not self.is_talkative or (not text and not self._status_shown):
            return
        self.err.write(f"\r\x1b[2K{text}")
        self.err.flush()
        self._status_shown = bool(text)

    def say(self, sentence: str) -> None:
        """Print a line that stays."""
        self.status("")
        self.end_line()
        print(sentence, file=self.err, flush=True)

    def end_line(self) -> None:
        """End the answer's line if it is open."""
        if self._line_open:
            print(file=self.out, flush=True)
            self._line_open = False

    def discard(self) -> None:
        """Discard all further output, including the interpreter's last flush."""
        with suppress(OSError, ValueError):
            void = os.open(os.devnull, os.O_WRONLY)
            os.dup2(void, self.out.fileno())
            os.close(void)
        self.out, self._line_open = io.StringIO(), False


async def ask(
    prompt: str,
    client: GatewayClient,
    out: TextIO,
    err: TextIO | None = None,
    *,
    as_json: bool = False,
    conversation_id: str | None = None,
    stop: asyncio.Event | None = None,
) -> ExitCode:
    """Ask one question and print the answer as it is generated.

    The answer's text goes to `out`, or with `as_json` each event as one JSON object per line.
    Notices and errors always go to `err`, progress only if `err` is a terminal. When `stop` is
    set, the job is cancelled, and its end is awaited for a short time. The job is also cancelled
    when the reader of `out` has closed it.
    """
    err = err or sys.stderr
    printer = _Printer(out, err, as_json, is_talkative=not as_json and err.isatty())
    try:
        return await _say_and_ask(prompt, client, printer, conversation_id, stop)
    except BrokenPipeError:
        # The reader has what it wanted, as `head` does: that is no failure.
        printer.discard()
        return ExitCode.ANSWERED


async def _say_and_ask(
    prompt: str,
    client: GatewayClient,
    printer: _Printer,
    conversation_id: str | None,
    stop: asyncio.Event | None,
) -> ExitCode:
    try:
        return await _ask(prompt, client, printer, conversation_id, stop or asyncio.Event())
    except SignInNeeded as error:
        printer.say(str(error))
        return ExitCode.SIGN_IN_NEEDED
    except GatewayError as error:
        printer.say(str(error))
        return ExitCode.FAILED
    finally:
        printer.status("")
        printer.end_line()


async def _ask(
    prompt: str,
    client: GatewayClient,
    printer: _Printer,
    conversation_id: str | None,
    stop: asyncio.Event,
) -> ExitCode:
    printer.status("Sending …")
    # A stop during this call takes effect after it: only its answer has the id of the job to
    # cancel.
    accepted = await client.ask(prompt, conversation_id=conversation_id)
    printer.status("In the queue – waiting for a worker")
    reading = asyncio.create_task(_print_events(client.follow(accepted.job_id), printer))
    explaining = asyncio.create_task(_explain(client.waiting(accepted.job_id), printer))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not reading.done():
            printer.say("Stopping …")
            await client.cancel(accepted.job_id)
            await asyncio.wait({reading}, timeout=FAREWELL_SECONDS)
            if not reading.done():
                printer.say("The job has been told to stop; it ends without us.")
                return ExitCode.FAILED
        await reading
    except BrokenPipeError:
        # The reader has closed the output, as `head` does: the rest is not needed.
        await client.cancel(accepted.job_id)
        raise
    finally:
        await _end(reading, explaining, stopping)
    if printer.state is JobState.SUCCEEDED:
        if printer.reason is FinishReason.LENGTH:
            printer.say("The answer reached its longest allowed length, and was cut there.")
        return ExitCode.ANSWERED
    if printer.state is JobState.CANCELLED:
        printer.say("Stopped: the job is cancelled.")
    return ExitCode.FAILED


async def _print_events(events: AsyncGenerator[Event, None], printer: _Printer) -> None:
    async with aclosing(events):
        async for event in events:
            printer.event(event)


async def _explain(sentences: AsyncGenerator[str, None], printer: _Printer) -> None:
    async with aclosing(sentences):
        async for sentence in sentences:
            if printer.state is JobState.QUEUED:
                printer.status(sentence)


async def _end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _run(prompt: str, settings: Settings, *, as_json: bool, may_sign_in: bool) -> ExitCode:
    """Sign in if necessary, then ask; Ctrl-C stops the job, a second one exits at once."""
    stop, task = asyncio.Event(), asyncio.current_task()
    login = ManagedLogin(settings.login_url, settings.client_id)
    tokens = Tokens(login, KeyringStore(settings.login_url))
    try:
        if not tokens.signed_in:
            if not may_sign_in:
                _tell("You are signed out. Ask from a terminal once, to sign in with the browser.")
                return ExitCode.SIGN_IN_NEEDED
            tokens.sign_in(await sign_in_with_browser(login, announce=_announce))
        with _interrupts(stop, task):
            async with GatewayClient(settings.api_url, tokens) as client:
                return await ask(prompt, client, sys.stdout, as_json=as_json, stop=stop)
    except GatewayError as error:
        _tell(str(error))
        is_about_sign_in = isinstance(error, SignInNeeded | SignInFailed)
        return ExitCode.SIGN_IN_NEEDED if is_about_sign_in else ExitCode.FAILED
    finally:
        await login.close()


def _announce(url: str) -> None:
    _tell(f"Sign in with your browser. If none opens, visit\n{url}")


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@contextmanager
def _interrupts(stop: asyncio.Event, task: asyncio.Task[object] | None) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) sets `stop`, the second cancels `task`."""

    def interrupt() -> None:
        if stop.is_set() and task:
            task.cancel()
        stop.set()

    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, interrupt)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="aistratus-ask",
        description="Ask Aistratus one question. Ends with 0 when it is answered, 1 when it "
        "failed or was stopped, 2 on wrong usage, 3 when you have to sign in first.",
    )
    parser.add_argument("prompt", help='the question, or "-" to read it from standard input')
    parser.add_argument("--json", action="store_true", help="print each event as one JSON object")
    options = parser.parse_args(arguments)
    try:
        prompt = read_prompt(options.prompt)
        settings = load_settings()
    except (WrongPrompt, SettingsError) as error:
        _tell(str(error))
        return ExitCode.USAGE
    run = _run(prompt, settings, as_json=options.json, may_sign_in=sys.stdin.isatty())
    try:
        return asyncio.run(run)
    except (KeyboardInterrupt, asyncio.CancelledError):
        _tell("Left. The job may still end without us.")
        return ExitCode.FAILED


if __name__ == "__main__":
    sys.exit(main())
