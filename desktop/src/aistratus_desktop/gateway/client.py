"""The API's routes as typed methods, and a job's events as one unbroken stream."""

import contextlib
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import httpx

from aistratus_contracts.event import Event
from aistratus_contracts.job import Message
from aistratus_contracts.limits import MAX_EVENT_WAIT_SECONDS
from aistratus_contracts.models import ModelCard
from aistratus_contracts.states import JobState, Role
from aistratus_desktop.gateway.errors import GatewayError, NotFound, Unreachable, Unreadable
from aistratus_desktop.gateway.pace import Pace
from aistratus_desktop.gateway.replies import (
    Accepted,
    Conversation,
    ConversationPage,
    EventPage,
    JobView,
    read,
    read_events,
    read_models,
)
from aistratus_desktop.gateway.tokens import TokenSource
from aistratus_desktop.gateway.wire import Wire

# How long a stream retries a dead connection before it raises.
PATIENCE_SECONDS: Final = 120.0
# Prevents a busy loop when a server answers long polls at once and empty.
SHORTEST_EMPTY_POLL_SECONDS: Final = 0.5
SHORTEST_RETRY_SECONDS: Final = 0.1
# How much longer than before the first question why a job waits the pauses between the others are.
LATER_QUESTIONS: Final = 2.5


class GatewayClient:
    """One person's view of one Aistratus. Every error is a `GatewayError`.

    Tests replace `transport`; `pace` decides how long retries wait.
    """

    def __init__(
        self,
        api_url: str,
        tokens: TokenSource,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._wire = Wire(api_url, tokens, transport=transport, pace=pace)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; the client cannot be used afterwards."""
        await self._wire.close()

    async def models(self) -> tuple[ModelCard, ...]:
        """The available models; the first is the default."""
        return read_models((await self._wire.call("GET", "/models")).document)

    async def infer(
        self,
        messages: Sequence[Message],
        *,
        conversation_id: str | None = None,
        request_id: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        seed: int | None = None,
        model: str | None = None,
        response_format: Mapping[str, Any] | None = None,
    ) -> Accepted:
        """Send a prompt. `messages` are only the new ones: the API keeps the conversation's others.

        The same `request_id` gives the same job, so that a prompt whose acceptance was lost is
        not sent twice; by default each call gets a new one.
        """
        optional = {
            "conversation_id": conversation_id,
            "max_tokens": max_tokens,
            "temperature": temperature,
            "seed": seed,
            "model": model,
            "response_format": response_format,
        }
        body: dict[str, Any] = {
            "messages": [{"role": item.role.value, "content": item.content} for item in messages],
            "request_id": request_id or new_request_id(),
            **{name: value for name, value in optional.items() if value is not None},
        }
        return read(Accepted, (await self._wire.call("POST", "/infer", body=body)).document)

    async def ask(
        self, prompt: str, *, conversation_id: str | None = None, request_id: str | None = None
    ) -> Accepted:
        """Send one user message as a prompt."""
        return await self.infer(
            [Message(Role.USER, prompt)], conversation_id=conversation_id, request_id=request_id
        )

    async def job(self, job_id: str) -> JobView:
        """The current state of a job."""
        return read(JobView, (await self._wire.call("GET", f"/jobs/{_segment(job_id)}")).document)

    async def cancel(self, job_id: str) -> Accepted:
        """Cancel a job; it ends as `cancelled` unless it ends in another way first."""
        reply = await self._wire.call("POST", f"/jobs/{_segment(job_id)}/cancel")
        return read(Accepted, reply.document)

    async def conversations(self, *, cursor: str | None = None) -> ConversationPage:
        """The history, most recent first; `cursor` is a page's `next_cursor`."""
        query = {"cursor": cursor} if cursor else None
        reply = await self._wire.call("GET", "/conversations", query=query)
        return read(ConversationPage, reply.document)

    async def conversation(self, conversation_id: str) -> Conversation:
        """A whole conversation; raises `NotFound`."""
        reply = await self._wire.call("GET", f"/conversations/{_segment(conversation_id)}")
        return read(Conversation, reply.document)

    async def delete_conversation(self, conversation_id: str) -> None:
        """Delete a conversation and its jobs; no error if it is already gone."""
        with contextlib.suppress(NotFound):
            await self._wire.call("DELETE", f"/conversations/{_segment(conversation_id)}")

    async def events(
        self, job_id: str, *, after: int = 0, wait: int = 0, attempts: int = 1
    ) -> EventPage:
        """One page of a job's events; waits up to `wait` seconds for the first one."""
        reply = await self._wire.call(
            "GET",
            f"/jobs/{_segment(job_id)}/events",
            query={"after": after, "wait": wait},
            attempts=attempts,
        )
        return read_events(reply.document, reply.retry_after)

    async def follow(self, job_id: str, after: int = 0) -> AsyncGenerator[Event, None]:
        """A job's events from number `after` + 1 to the last, each exactly once, in order.

        When the connection breaks, it continues from the last event; it raises `Unreachable` if
        the connection stays broken for two minutes, and `Unreadable` if an event is missing.
        """
        pace = self._wire.pace
        failures, broken_since = 0, 0.0
        while True:
            asked_at = pace.clock()
            try:
                page = await self.events(job_id, after=after, wait=MAX_EVENT_WAIT_SECONDS)
            except Unreachable as error:
                failures += 1
                broken_since = asked_at if failures == 1 else broken_since
                if pace.clock() - broken_since > PATIENCE_SECONDS:
                    raise
                await pace.back_off(failures, error.retry_after)
                continue
            failures, came_at = 0, pace.clock()
            for event in page.events:
                if event.seq <= after:
                    continue  # already yielded
                if event.seq != after + 1:
                    raise Unreadable(f"event {after + 1} of the job is missing.")
                after = event.seq
                yield event
                if event.ends_job:
                    return
            if page.done:
                return  # the caller had the last event already
            if page.retry_after is not None and page.events:
                # The answer's next step is due then, and this answer's alone: no jitter.
                await pace.sleep(pace.left(page.retry_after, came_at))
            elif page.retry_after is not None:
                await pace.sleep(max(pace.wish(page.retry_after), SHORTEST_RETRY_SECONDS))
            elif not page.events and pace.clock() - asked_at < SHORTEST_EMPTY_POLL_SECONDS:
                await pace.sleep(SHORTEST_EMPTY_POLL_SECONDS)

    async def waiting(self, job_id: str, *, every: float = 2.0) -> AsyncGenerator[str, None]:
        """Sentences that say why a job still waits, one per change; ends when the job begins.

        Asks after `every` seconds, then less often, as each question is paid for. On an error it
        ends silently: `follow` reports errors.
        """
        told, pause = "", every
        while True:
            await self._wire.pace.sleep(pause)
            pause = every * LATER_QUESTIONS
            try:
                view = await self.job(job_id)
            except GatewayError:
                return
            if view.state is not JobState.QUEUED:
                return
            if view.waiting and view.waiting.message != told:
                told = view.waiting.message
                yield told


def new_request_id() -> str:
    """An idempotency key: 128 random bits."""
    return secrets.token_hex(16)


def _segment(value: str) -> str:
    """The value, escaped as one segment of a path."""
    return quote(value, safe="")
