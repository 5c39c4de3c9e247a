"""The gateway client against a real server on loopback that breaks in every way."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from aistratus_contracts.errors import ErrorCode
from aistratus_contracts.limits import MAX_BODY_BYTES
from aistratus_contracts.states import JobState
from aistratus_desktop.gateway import (
    GatewayClient,
    NotFound,
    Pace,
    Refused,
    SignInNeeded,
    Unreachable,
    Unreadable,
)
from aistratus_desktop.gateway import wire as wire_module
from support.scripted_http import HANG_UP, Answer, say, scripted_server

pytestmark = pytest.mark.anyio

ACCEPTED = {"job_id": "job-1", "conversation_id": "conv-1", "state": "queued"}


@dataclass
class Tokens:
    """Tokens that can be renewed a given number of times."""

    renewals: int = 1
    number: int = 1

    async def access_token(self) -> str:
        return f"access-{self.number}"

    async def refresh(self) -> None:
        if not self.renewals:
            raise SignInNeeded
        self.renewals -= 1
        self.number += 1


@dataclass
class Pauses:
    """Remembers the pauses instead of making them."""

    seconds: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)

    def pace(self) -> Pace:
        return Pace(sleep=self.sleep, chance=lambda: 1.0)


def client_of(
    url: str, tokens: Tokens | None = None, pauses: Pauses | None = None
) -> GatewayClient:
    return GatewayClient(url, tokens or Tokens(), pace=(pauses or Pauses()).pace())


def problem(status: int, code: ErrorCode, detail: str, **more: Any) -> Answer:
    return say(
        {
            "type": f"urn:aistratus:problem:{code}",
            "status": status,
            "code": code,
            "title": "No",
            "detail": detail,
            **more,
        },
        status,
    )


async def test_a_question_names_itself_and_carries_the_token() -> None:
    async with scripted_server(say(ACCEPTED, 202)) as server, client_of(server.url) as client:
        accepted = await client.ask("Hello", conversation_id="conv-1")
    assert accepted.job_id == "job-1"
    assert accepted.state is JobState.QUEUED
    [asked] = server.asked
    assert (asked.method, asked.path) == ("POST", "/infer")
    assert asked.headers["authorization"] == "Bearer access-1"
    assert asked.json["messages"] == [{"role": "user", "content": "Hello"}]
    assert asked.json["conversation_id"] == "conv-1"
    assert len(asked.json["request_id"]) == 32


async def test_a_question_whose_acceptance_was_lost_is_sent_again_as_the_same_request() -> None:
    body = b'{"job_id": "job-1", "conversation_id": "conv-1", "state": "queued"}'
    script = (HANG_UP, Answer(body, 202, cut_after=9), say(ACCEPTED, 202))
    async with scripted_server(*script) as server, client_of(server.url) as client:
        assert (await client.ask("Hello")).job_id == "job-1"
    assert len(server.asked) == 3
    assert len({asked.json["request_id"] for asked in server.asked}) == 1


async def test_two_questions_are_two_requests() -> None:
    async with scripted_server(say(ACCEPTED, 202)) as server, client_of(server.url) as client:
        await client.ask("Hello")
        await client.ask("Hello")
    assert len({asked.json["request_id"] for asked in server.asked}) == 2


async def test_a_token_that_is_refused_is_renewed_once() -> None:
    script = (say({"message": "Unauthorized"}, 401), say({"models": []}))
    async with scripted_server(*script) as server, client_of(server.url) as client:
        assert await client.models() == ()
    sent = [asked.headers["authorization"] for asked in server.asked]
    assert sent == ["Bearer access-1", "Bearer access-2"]


async def test_a_token_that_is_refused_twice_means_to_sign_in() -> None:
    tokens = Tokens(renewals=5)
    unauthorized = say({"message": "Unauthorized"}, 401)
    async with scripted_server(unauthorized) as server, client_of(server.url, tokens) as client:
        with pytest.raises(SignInNeeded, match="Sign in again"):
            await client.models()
    assert len(server.asked) == 2
    assert tokens.renewals == 4


async def test_without_a_renewal_one_has_to_sign_in() -> None:
    tokens = Tokens(renewals=0)
    unauthorized = say({"message": "Unauthorized"}, 401)
    async with scripted_server(unauthorized) as server, client_of(server.url, tokens) as client:
        with pytest.raises(SignInNeeded):
            await client.models()


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_what_may_pass_is_asked_again(status: int) -> None:
    pauses = Pauses()
    script = (say({"message": "Service Unavailable"}, status),) * 3 + (say({"models": []}),)
    async with (
        scripted_server(*script) as server,
        client_of(server.url, pauses=pauses) as client,
    ):
        assert await client.models() == ()
    assert pauses.seconds == [0.25, 0.5, 1.0]


async def test_the_servers_wish_to_be_left_alone_is_kept_within_reason() -> None:
    pauses = Pauses()
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=9), usegmt=True)
    script = (
        say({}, 503, Retry_After="3"),
        say({}, 503, Retry_After=soon),
        say({}, 503, Retry_After="86400"),
        say({"models": []}),
    )
    async with (
        scripted_server(*script) as server,
        client_of(server.url, pauses=pauses) as client,
    ):
        await client.models()
    first, second, third = pauses.seconds
    # A quarter longer at most, so that many do not come back at once.
    assert first == 3.75
    assert 8.75 <= second <= 11.25
    assert third == 37.5


async def test_too_many_open_jobs_are_a_sentence_at_once() -> None:
    detail = "You have 64 open jobs, which is the limit; wait until one ends, or stop one."
    problem = {"status": 429, "code": "too_many_open_jobs", "title": "Too many", "detail": detail}
    async with (
        scripted_server(say(problem, 429, Retry_After="5")) as server,
        client_of(server.url) as client,
    ):
        with pytest.raises(Refused) as caught:
            await client.ask("Hello")
    assert str(caught.value) == detail
    assert len(server.asked) == 1


async def test_who_asks_too_fast_waits_and_asks_again_the_same() -> None:
    pauses = Pauses()
    detail = "Your prompts come faster than 60 a minute; send this one again in 2 seconds."
    problem = {"status": 429, "code": "rate_limited", "title": "Too many", "detail": detail}
    refusal = say(problem, 429, Retry_After="2")
    async with (
        scripted_server(*(refusal,) * 4) as server,
        client_of(server.url, pauses=pauses) as client,
    ):
        with pytest.raises(Unreachable) as caught:
            await client.ask("Hello")
    assert str(caught.value) == detail
    assert pauses.seconds == [2.5] * 3


async def test_what_does_not_pass_is_unreachable_in_the_end() -> None:
    async with scripted_server(HANG_UP) as server, client_of(server.url) as client:
        with pytest.raises(Unreachable, match="Check your connection"):
            await client.models()
    assert len(server.asked) == 4


async def test_a_problem_is_told_in_its_own_words() -> None:
    refusal = problem(
        422,
        ErrorCode.INVALID_REQUEST,
        "The request has a mistake.",
        errors=[{"field": "/max_tokens", "message": "must be at least 1."}],
    )
    async with scripted_server(refusal) as server, client_of(server.url) as client:
        with pytest.raises(Refused) as caught:
            await client.ask("Hello")
    assert str(caught.value) == "The request has a mistake. /max_tokens: must be at least 1."
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert len(server.asked) == 1, "a refusal is final"


async def test_what_is_gone_is_not_found() -> None:
    refusal = problem(404, ErrorCode.NOT_FOUND, "There is no such job.")
    async with scripted_server(refusal) as server, client_of(server.url) as client:
        with pytest.raises(NotFound, match="There is no such job"):
            await client.job("job-1")


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (403, Refused, "Ask the owner"),
        (404, NotFound, "not there any more"),
        (413, Refused, "too long"),
        (418, Refused, "HTTP 418"),
        (302, Unreadable, "Check the API URL"),
    ],
)
async def test_the_gateways_own_errors_become_sentences(
    status: int, error: type[Exception], words: str
) -> None:
    async with (
        scripted_server(say({"message": "Forbidden"}, status)) as server,
        client_of(server.url) as client,
    ):
        with pytest.raises(error, match=words):
            await client.models()


async def test_a_prompt_that_is_too_long_stays_here() -> None:
    async with scripted_server(say(ACCEPTED)) as server, client_of(server.url) as client:
        with pytest.raises(Refused, match="too long"):
            await client.ask("x" * MAX_BODY_BYTES)
    assert server.asked == []


@pytest.mark.parametrize(
    "body",
    [
        b"<html>hotel wifi</html>",
        b"[]",
        b"{}",
        b'{"job_id": 1}',
        b'{"job_id": "j", "conversation_id": "c", "state": "sideways"}',
        b"\xff\xfe",
    ],
)
async def test_garbage_is_unreadable_and_not_a_crash(body: bytes) -> None:
    async with scripted_server(Answer(body)) as server, client_of(server.url) as client:
        with pytest.raises(Unreadable, match="update the app"):
            await client.ask("Hello")


async def test_broken_compression_is_unreadable() -> None:
    broken = Answer(b"no gzip at all", headers={"Content-Encoding": "gzip"})
    async with scripted_server(broken) as server, client_of(server.url) as client:
        with pytest.raises(Unreadable):
            await client.models()


async def test_an_answer_without_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_module, "MAX_REPLY_BYTES", 1000)
    async with scripted_server(Answer(b" " * 2000)) as server, client_of(server.url) as client:
        with pytest.raises(Unreadable, match="larger"):
            await client.models()


async def test_fields_of_a_newer_release_are_passed_over() -> None:
    turn = {
        "turn": 1,
        "job_id": "job-1",
        "created_at": "2026-01-02T03:04:05.000Z",
        "messages": [
            {"role": "user", "content": "Hello", "mood": "curious"},
            {"role": "tool", "content": "7", "call": 1},
        ],
        "answer": {"state": "succeeded", "text": "Hi", "stars": 5},
    }
    conversation = {"conversation_id": "conv-1", "title": "Hello", "turns": [turn], "new": True}
    async with scripted_server(say(conversation)) as server, client_of(server.url) as client:
        read = await client.conversation("conv-1")
    assert read.turns[0].messages[0].content == "Hello"
    assert read.turns[0].answer is not None
    assert read.turns[0].answer.text == "Hi"


async def test_an_id_is_one_segment_whatever_it_holds() -> None:
    gone = problem(404, ErrorCode.NOT_FOUND, "There is no such job.")
    async with scripted_server(gone) as server, client_of(server.url) as client:
        with pytest.raises(NotFound):
            await client.job("../../fleet?x=1#y")
    assert server.asked[0].path == "/jobs/..%2F..%2Ffleet%3Fx%3D1%23y"


async def test_to_forget_what_is_forgotten_is_no_error() -> None:
    gone = problem(404, ErrorCode.NOT_FOUND, "There is no such conversation.")
    script = (HANG_UP, gone)
    async with scripted_server(*script) as server, client_of(server.url) as client:
        await client.delete_conversation("conv-1")
    assert [asked.method for asked in server.asked] == ["DELETE", "DELETE"]


async def test_a_token_is_in_no_error() -> None:
    async with scripted_server(HANG_UP) as server, client_of(server.url) as client:
        with pytest.raises(Unreachable) as caught:
            await client.models()
    chain = [caught.value, caught.value.__cause__, caught.value.__context__]
    assert all("access-1" not in repr(error) for error in chain)
