"""A question from the terminal."""

import asyncio
import io
import json
import os
import subprocess
import sys

import pytest
from starlette.responses import JSONResponse

from aistratus_contracts.errors import ErrorCode, JobErrorCode
from aistratus_contracts.event import JobError, decode_event
from aistratus_contracts.states import FinishReason, JobState
from aistratus_desktop import ask as ask_module
from aistratus_desktop.ask import ExitCode, ask, main
from aistratus_desktop.gateway import GatewayClient, SignInNeeded
from support.desktop_stand import Stand, problem
from support.desktop_until import until

pytestmark = pytest.mark.anyio


class Terminal(io.StringIO):
    """What a person would see."""

    def isatty(self) -> bool:
        return True


class Asking:
    """A question on its way."""

    def __init__(
        self, client: GatewayClient, *, terminal: bool = False, as_json: bool = False
    ) -> None:
        self.out = io.StringIO()
        self.err = Terminal() if terminal else io.StringIO()
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(
            ask("What is it?", client, self.out, self.err, as_json=as_json, stop=self.stop)
        )


async def test_the_answer_is_printed_as_it_comes(client: GatewayClient, stand: Stand) -> None:
    asking = Asking(client)
    await until(lambda: bool(stand.jobs))
    stand.last_job.say("A")
    await until(lambda: asking.out.getvalue() == "A")
    stand.last_job.say(" chat.")
    stand.last_job.finish()
    assert await asking.task is ExitCode.ANSWERED
    assert asking.out.getvalue() == "A chat.\n"
    assert asking.err.getvalue() == ""


async def test_an_answer_that_ends_its_line_gets_no_second_end(
    client: GatewayClient, stand: Stand
) -> None:
    asking = Asking(client)
    await until(lambda: bool(stand.jobs))
    stand.last_job.say("A chat.\n")
    stand.last_job.finish()
    await asking.task
    assert asking.out.getvalue() == "A chat.\n"


async def test_on_a_terminal_one_sees_what_is_going_on(client: GatewayClient, stand: Stand) -> None:
    asking = Asking(client, terminal=True)
    await until(lambda: "In the queue" in asking.err.getvalue())
    stand.last_job.say("A chat.")
    stand.last_job.finish()
    await asking.task
    assert "Thinking …" in asking.err.getvalue()
    assert asking.err.getvalue().endswith("\r\x1b[2K"), "the status is wiped away in the end"
    assert asking.out.getvalue() == "A chat.\n"


async def test_why_it_waits_is_told_on_a_terminal(
    client: GatewayClient, stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = client.waiting
    monkeypatch.setattr(client, "waiting", lambda job_id: waiting(job_id, every=0.0))
    asking = Asking(client, terminal=True)
    await until(lambda: bool(stand.jobs))
    stand.last_job.waiting = "The GPU is starting."
    await until(lambda: "The GPU is starting." in asking.err.getvalue())
    stand.last_job.finish()
    await asking.task


async def test_json_is_one_event_a_line(client: GatewayClient, stand: Stand) -> None:
    asking = Asking(client, terminal=True, as_json=True)
    await until(lambda: bool(stand.jobs))
    stand.last_job.say("ä")
    stand.last_job.finish()
    assert await asking.task is ExitCode.ANSWERED
    lines = asking.out.getvalue().splitlines()
    assert [decode_event(line) for line in lines] == stand.last_job.events
    assert asking.err.getvalue() == ""
    assert all(isinstance(json.loads(line), dict) for line in lines)


async def test_stop_cancels_the_job_and_says_so(client: GatewayClient, stand: Stand) -> None:
    asking = Asking(client)
    await until(lambda: bool(stand.jobs))
    stand.last_job.say("1 2 3")
    await until(lambda: asking.out.getvalue() == "1 2 3")
    asking.stop.set()
    assert await asking.task is ExitCode.FAILED
    assert stand.last_job.cancelled
    assert asking.out.getvalue() == "1 2 3\n"
    assert "Stopped: the job is cancelled." in asking.err.getvalue()


async def test_a_stop_while_the_question_travels_still_cancels(
    client: GatewayClient, stand: Stand
) -> None:
    stand.api_gate = asyncio.Event()
    asking = Asking(client)
    asking.stop.set()
    await until(lambda: bool(stand.jobs))
    stand.api_gate.set()
    assert await asking.task is ExitCode.FAILED
    assert stand.last_job.cancelled


async def test_a_job_that_will_not_end_is_left(
    client: GatewayClient, stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask_module, "FAREWELL_SECONDS", 0.05)
    asking = Asking(client)
    await until(lambda: bool(stand.jobs))
    stand.ignore_cancel = True
    asking.stop.set()
    assert await asking.task is ExitCode.FAILED
    assert "ends without us" in asking.err.getvalue()


async def test_a_failed_job_says_why(client: GatewayClient, stand: Stand) -> None:
    asking = Asking(client)
    await until(lambda: bool(stand.jobs))
    stand.last_job.add(JobError(JobErrorCode.POISON, "This prompt kills the engine."))
    stand.last_job.finish(JobState.FAILED, None)
    assert await asking.task is ExitCode.FAILED
    assert asking.err.getvalue() == "This prompt kills the engine.\n"


async def test_a_cut_answer_says_so(client: GatewayClient, stand: Stand) -> None:
    asking = Asking(client)
    await until(lambda: bool(stand.jobs))
    stand.last_job.finish(reason=FinishReason.LENGTH)
    assert await asking.task is ExitCode.ANSWERED
    assert "longest allowed length" in asking.err.getvalue()


async def test_a_refusal_is_a_sentence(client: GatewayClient, stand: Stand) -> None:
    stand.refuse_next = [problem(422, ErrorCode.INVALID_REQUEST, "This is no question.")]
    asking = Asking(client)
    assert await asking.task is ExitCode.FAILED
    assert asking.err.getvalue() == "This is no question.\n"


async def test_a_stream_that_is_refused_is_a_sentence(client: GatewayClient, stand: Stand) -> None:
    asking = Asking(client)
    await until(lambda: bool(stand.jobs))
    stand.refuse_next = [JSONResponse({"message": "Forbidden"}, 403)]
    stand.last_job.say("A")
    assert await asking.task is ExitCode.FAILED
    assert "Ask the owner" in asking.err.getvalue()


async def test_an_answer_that_nobody_reads_is_not_finished(
    client: GatewayClient, stand: Stand
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as out:
        asking = asyncio.create_task(ask("What is it?", client, out, io.StringIO()))
        await until(lambda: bool(stand.jobs))
        stand.last_job.say("A chat.")
        assert await asking is ExitCode.ANSWERED, "who read it has what they wanted"
    assert stand.last_job.cancelled


async def test_a_reader_who_leaves_before_the_last_line_is_no_error(
    client: GatewayClient, stand: Stand
) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding="utf-8") as out:
        asking = asyncio.create_task(ask("What is it?", client, out, io.StringIO()))
        await until(lambda: bool(stand.jobs))
        stand.last_job.say("A chat.")
        assert await asyncio.to_thread(os.read, reader, 10) == b"A chat."
        os.close(reader)
        stand.last_job.finish()
        assert await asking is ExitCode.ANSWERED


async def test_who_is_signed_out_is_told() -> None:
    class Nobody:
        async def access_token(self) -> str:
            raise SignInNeeded

        async def refresh(self) -> None:
            raise SignInNeeded

    out, err = io.StringIO(), io.StringIO()
    async with GatewayClient("http://127.0.0.1:9", Nobody()) as client:
        assert await ask("Hello", client, out, err) is ExitCode.SIGN_IN_NEEDED
    assert "Sign in" in err.getvalue()


def test_an_empty_question_is_wrong_usage(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("  \n"))
    assert main(["-"]) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith("Say what to ask")


def test_a_question_that_is_no_text_is_wrong_usage(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["\udcff"]) == ExitCode.USAGE
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff"), encoding="utf-8"))
    assert main(["-"]) == ExitCode.USAGE
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("The question is not UTF-8.")
    assert second.startswith("What came on standard input is not UTF-8")


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "aistratus_desktop.ask", *arguments],
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_without_settings_it_says_what_is_missing() -> None:
    done = run("Hello", AISTRATUS_ENV_FILE="")
    assert done.returncode == ExitCode.USAGE
    assert "AISTRATUS_API_URL is not set" in done.stderr


def test_without_a_person_nobody_signs_in() -> None:
    done = run(
        "Hello",
        AISTRATUS_API_URL="http://127.0.0.1:9",
        AISTRATUS_LOGIN_URL="http://127.0.0.1:9",
        AISTRATUS_CLIENT_ID="app",
        AISTRATUS_REGION="eu-central-1",
        PYTHON_KEYRING_BACKEND="keyring.backends.null.Keyring",
    )
    assert done.returncode == ExitCode.SIGN_IN_NEEDED
    assert "signed out" in done.stderr
