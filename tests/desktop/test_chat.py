"""The chat as plain Python: no page, no pixel."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.responses import JSONResponse

from aistratus_contracts.errors import ErrorCode, JobErrorCode, NoticeCode
from aistratus_contracts.event import JobError, Notice
from aistratus_contracts.states import FinishReason, JobState, Role
from aistratus_desktop.gateway import GatewayClient, GatewayError
from aistratus_desktop.state import Chat, NextStep, Phase
from support.desktop_stand import Stand, problem
from support.desktop_until import now, until

pytestmark = pytest.mark.anyio


@pytest.fixture
async def chat(client: GatewayClient) -> AsyncIterator[Chat]:
    chat = Chat(client)
    yield chat
    chat.leave()
    await asyncio.sleep(0)


async def send(chat: Chat, stand: Stand, prompt: str) -> asyncio.Task[None]:
    """Send, and return when the job is there; the task ends with the answer."""
    jobs = len(stand.jobs)
    chat.draft.typed(prompt)
    sending = asyncio.create_task(chat.send())
    await until(lambda: len(stand.jobs) > jobs and chat.phase is Phase.ANSWERING)
    return sending


def next_step(chat: Chat) -> NextStep | None:
    assert chat.trouble is not None
    return chat.trouble.next_step


def seen(chat: Chat) -> list[tuple[Role, str]]:
    return [(bubble.role, bubble.text) for bubble in chat.bubbles]


async def test_an_answer_grows_as_it_comes(chat: Chat, stand: Stand) -> None:
    sending = await send(chat, stand, "  What is it?\n")
    assert seen(chat) == [(Role.USER, "What is it?"), (Role.ASSISTANT, "")]
    assert chat.draft.is_empty
    answer = chat.bubbles[-1]
    await until(lambda: "In the queue" in answer.status)
    stand.last_job.say("A")
    await until(lambda: answer.text == "A")
    assert answer.status == "Thinking …"
    assert now(answer.is_open)
    stand.last_job.say(" chat")
    await until(lambda: answer.text == "A chat")
    stand.last_job.finish()
    await sending
    assert chat.phase is Phase.IDLE
    assert not answer.is_open
    assert (answer.status, answer.remark, answer.error) == ("", "", "")


async def test_a_follow_up_sends_only_what_is_new(chat: Chat, stand: Stand) -> None:
    for prompt in ("first", "second"):
        sending = await send(chat, stand, prompt)
        stand.last_job.say("Yes.")
        stand.last_job.finish()
        await sending
    first, second = stand.jobs.values()
    assert first.conversation_id == second.conversation_id == chat.conversation_id
    assert second.prompt == "second"
    assert [text for _, text in seen(chat)] == ["first", "Yes.", "second", "Yes."]


@pytest.mark.parametrize("draft", ["", " \n\t"])
async def test_nothing_is_not_sent(chat: Chat, stand: Stand, draft: str) -> None:
    chat.draft.typed(draft)
    assert not chat.can_send
    await chat.send()
    assert stand.calls == []


async def test_one_answer_at_a_time(chat: Chat, stand: Stand) -> None:
    sending = await send(chat, stand, "first")
    chat.draft.typed("second")
    assert not chat.can_send
    await chat.send()
    assert len(stand.jobs) == 1
    assert chat.draft.text == "second", "what is typed meanwhile stays"
    stand.last_job.finish()
    await sending
    assert chat.can_send


async def test_stop_ends_the_answer_and_keeps_what_is_there(chat: Chat, stand: Stand) -> None:
    sending = await send(chat, stand, "count")
    stand.last_job.say("1 2 3")
    await until(lambda: chat.bubbles[-1].text == "1 2 3")
    await chat.stop()
    await sending
    answer = chat.bubbles[-1]
    assert (answer.text, answer.state, answer.remark) == ("1 2 3", JobState.CANCELLED, "Stopped.")
    assert stand.last_job.cancelled


async def test_stop_before_the_acceptance_stops_as_soon_as_there_is_a_job(
    chat: Chat, stand: Stand
) -> None:
    stand.api_gate = asyncio.Event()
    chat.draft.typed("count")
    sending = asyncio.create_task(chat.send())
    await until(lambda: bool(stand.jobs))
    await chat.stop()
    assert chat.bubbles[-1].status == "Stopping …"
    stand.api_gate.set()
    await sending
    assert stand.last_job.cancelled
    assert chat.bubbles[-1].state is JobState.CANCELLED


async def test_stop_without_a_running_answer_does_nothing(chat: Chat, stand: Stand) -> None:
    await chat.stop()
    assert stand.calls == []


async def test_a_stop_that_fails_is_told_and_can_be_tried_again(chat: Chat, stand: Stand) -> None:
    sending = await send(chat, stand, "count")
    stand.last_job.say("1")
    await until(lambda: chat.bubbles[-1].text == "1")
    stand.refuse_next = [problem(403, ErrorCode.FORBIDDEN, "You may not.")]
    await chat.stop()
    assert now(chat.trouble) is not None
    assert chat.can_stop
    await chat.stop()
    await sending
    assert chat.bubbles[-1].state is JobState.CANCELLED


async def test_a_prompt_that_does_not_arrive_is_not_lost(chat: Chat, stand: Stand) -> None:
    stand.refuse_next = [JSONResponse({"message": "Service Unavailable"}, 503)] * 4
    chat.draft.typed("precious")
    await chat.send()
    assert chat.bubbles == []
    assert chat.draft.text == chat.draft.initial == "precious"
    assert chat.phase is Phase.IDLE
    assert next_step(chat) is NextStep.RETRY
    retrying = asyncio.create_task(chat.retry())
    await until(lambda: bool(stand.jobs) and chat.phase is Phase.ANSWERING)
    assert now(chat.trouble) is None
    stand.last_job.finish()
    await retrying
    assert [text for _, text in seen(chat)] == ["precious", ""]


async def test_a_prompt_whose_acceptance_got_lost_is_asked_once(
    chat: Chat, stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, answers = chat.client.ask, iter([httpx.ReadError("lost")])

    async def lossy(prompt: str, **options: str | None) -> object:
        accepted = await ask(prompt, **options)
        if next(answers, None):
            raise GatewayError("The connection broke.")
        return accepted

    monkeypatch.setattr(chat.client, "ask", lossy)
    chat.draft.typed("once")
    await chat.send()
    assert now(chat.trouble) is not None
    sending = asyncio.create_task(chat.send())
    await until(lambda: chat.phase is Phase.ANSWERING)
    stand.last_job.finish()
    await sending
    assert len(stand.jobs) == 1


async def test_the_same_words_again_are_another_question(chat: Chat, stand: Stand) -> None:
    for _ in range(2):
        sending = await send(chat, stand, "again")
        stand.last_job.finish()
        await sending
    assert len(stand.jobs) == 2


async def test_who_is_signed_out_is_asked_to_sign_in(chat: Chat, stand: Stand) -> None:
    stand.refuse_next = [JSONResponse({"message": "Forbidden"}, 403)]
    chat.draft.typed("Hello")
    await chat.send()
    assert next_step(chat) is None
    chat.dismiss()
    assert now(chat.trouble) is None


async def test_a_job_that_fails_says_why(chat: Chat, stand: Stand) -> None:
    sending = await send(chat, stand, "Hello")
    stand.last_job.add(
        Notice(NoticeCode.TURNS_LEFT_OUT, "The oldest turns were left out."),
        JobError(JobErrorCode.ENGINE_FAILED, "The engine stopped."),
    )
    stand.last_job.finish(JobState.FAILED, None)
    await sending
    answer = chat.bubbles[-1]
    assert answer.notices == ["The oldest turns were left out."]
    assert answer.error == "The engine stopped."
    assert now(chat.trouble) is None
    assert chat.phase is Phase.IDLE


async def test_an_answer_that_was_cut_says_so(chat: Chat, stand: Stand) -> None:
    sending = await send(chat, stand, "Hello")
    stand.last_job.finish(reason=FinishReason.LENGTH)
    await sending
    assert "longest allowed length" in chat.bubbles[-1].remark


async def test_why_it_waits_is_shown(chat: Chat, stand: Stand) -> None:
    waiting = chat.client.waiting
    chat.client.waiting = lambda job_id: waiting(job_id, every=0.0)  # type: ignore[method-assign,assignment,misc]
    sending = await send(chat, stand, "Hello")
    stand.last_job.waiting = "The GPU is starting: about a minute."
    await until(lambda: chat.bubbles[-1].status == "The GPU is starting: about a minute.")
    stand.last_job.finish()
    await sending


async def test_a_conversation_of_the_history_is_shown(chat: Chat, stand: Stand) -> None:
    sending = await send(chat, stand, "first")
    stand.last_job.say("Yes.")
    stand.last_job.finish()
    await sending
    conversation_id = stand.last_job.conversation_id
    chat.new()
    assert (chat.bubbles, chat.conversation_id) == ([], None)
    await chat.open(conversation_id)
    assert seen(chat) == [(Role.USER, "first"), (Role.ASSISTANT, "Yes.")]
    assert chat.conversation_id == conversation_id
    assert chat.phase is Phase.IDLE


async def test_a_running_answer_is_taken_up_again(chat: Chat, stand: Stand) -> None:
    sending = await send(chat, stand, "first")
    job = stand.last_job
    job.say("One")
    await until(lambda: chat.bubbles[-1].text == "One")
    chat.new()
    await sending
    job.say(" two")
    opening = asyncio.create_task(chat.open(job.conversation_id))
    await until(lambda: bool(chat.bubbles) and chat.bubbles[-1].text == "One two")
    assert chat.can_stop
    job.finish()
    await opening
    assert seen(chat) == [(Role.USER, "first"), (Role.ASSISTANT, "One two")]
    assert not job.cancelled, "to look away is no reason to stop"


async def test_a_lost_stream_is_taken_up_from_where_it_was_lost(chat: Chat, stand: Stand) -> None:
    sending = await send(chat, stand, "first")
    job = stand.last_job
    job.say("One")
    await until(lambda: chat.bubbles[-1].text == "One")
    stand.refuse_next = [problem(403, ErrorCode.FORBIDDEN, "Not now.")]
    job.say(" two")  # lets the held poll go; the next one is refused
    await sending
    assert chat.phase is Phase.IDLE
    assert now(chat.trouble) is not None
    assert "goes on without us" in chat.bubbles[-1].status
    job.say(" three")
    job.finish()
    await chat.retry()
    assert now(chat.trouble) is None
    assert chat.bubbles[-1].text == "One two three"


async def test_what_comes_too_late_disturbs_nobody(chat: Chat, stand: Stand) -> None:
    sending = await send(chat, stand, "first")
    stand.last_job.finish()
    await sending
    first = stand.last_job.conversation_id
    chat.new()
    stand.api_gate = asyncio.Event()
    opening = asyncio.create_task(chat.open(first))
    await until(lambda: chat.phase is Phase.LOADING)
    chat.new()
    stand.api_gate.set()
    await opening
    assert (chat.bubbles, chat.conversation_id, chat.phase) == ([], None, Phase.IDLE)


async def test_a_question_that_is_accepted_after_one_left_is_not_shown_elsewhere(
    chat: Chat, stand: Stand
) -> None:
    stand.api_gate = asyncio.Event()
    chat.draft.typed("first")
    sending = asyncio.create_task(chat.send())
    await until(lambda: bool(stand.jobs))
    chat.new()
    stand.api_gate.set()
    await sending
    assert len(stand.jobs) == 1
    assert (chat.bubbles, chat.conversation_id, chat.phase) == ([], None, Phase.IDLE)


async def test_who_comes_back_while_a_question_travels_finds_it(chat: Chat, stand: Stand) -> None:
    sending = await send(chat, stand, "first")
    stand.last_job.finish()
    await sending
    conversation_id = stand.last_job.conversation_id
    stand.hold_next = asyncio.Event()
    chat.draft.typed("second")
    sending = asyncio.create_task(chat.send())
    await until(lambda: stand.is_holding)
    await chat.open(conversation_id)
    assert [text for _, text in seen(chat)] == ["first", ""]
    stand.hold_next.set()
    await until(lambda: [text for _, text in seen(chat)] == ["first", "", "second", ""])
    stand.last_job.say("Yes.")
    stand.last_job.finish()
    await sending
    assert [text for _, text in seen(chat)] == ["first", "", "second", "Yes."]


async def test_a_conversation_that_is_gone_offers_a_new_one(chat: Chat) -> None:
    await chat.open("conv-none")
    assert next_step(chat) is NextStep.NEW_CHAT
    assert chat.phase is Phase.IDLE


async def test_loading_can_be_tried_again(chat: Chat, stand: Stand) -> None:
    sending = await send(chat, stand, "first")
    stand.last_job.finish()
    await sending
    conversation_id = stand.last_job.conversation_id
    stand.refuse_next = [JSONResponse({}, 503)] * 4
    await chat.open(conversation_id)
    assert next_step(chat) is NextStep.RETRY
    await chat.retry()
    assert now(chat.trouble) is None
    assert len(chat.bubbles) == 2
