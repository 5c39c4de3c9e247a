"""The conversation on the screen: send a prompt, follow its answer, stop it, switch chats."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import flet as ft

from aistratus_contracts.states import JobState, Role
from aistratus_desktop.gateway import Conversation, GatewayClient, GatewayError, new_request_id
from aistratus_desktop.state.bubble import STOPPING, Bubble, answered, awaited, said
from aistratus_desktop.state.draft import Draft
from aistratus_desktop.state.trouble import Trouble, trouble_of

INTERRUPTED: Final = "Connection lost – the answer goes on without us"


class Phase(Enum):
    """What the chat is doing."""

    IDLE = "idle"
    LOADING = "loading"  # a conversation is being loaded from the history
    SENDING = "sending"  # a prompt has been sent and is not yet accepted
    ANSWERING = "answering"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class _Unsent:
    """A prompt that may or may not have arrived: a retry must have the same request id."""

    prompt: str
    conversation_id: str | None
    request_id: str = field(default_factory=new_request_id)


async def _nothing() -> None:
    """The default for `after_turn`."""


@ft.observable
@dataclass(eq=False)
class Chat:
    """One conversation, old or new. `after_turn` is awaited when a turn is accepted and ends."""

    client: GatewayClient
    after_turn: Callable[[], Awaitable[None]] = _nothing
    conversation_id: str | None = None
    bubbles: list[Bubble] = field(default_factory=list)
    draft: Draft = field(default_factory=Draft)
    phase: Phase = Phase.IDLE
    trouble: Trouble | None = None
    # Counts the conversations that this chat has shown, new ones too. Each background task belongs
    # to one visit; a new visit ends it.
    visit: int = 0
    _job_id: str | None = None
    _unsent: _Unsent | None = None
    _background: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def is_busy(self) -> bool:
        """Whether a prompt or an answer is in progress, so that another prompt must wait."""
        return self.phase is not Phase.IDLE

    @property
    def can_send(self) -> bool:
        """Whether the send button has an effect."""
        return not self.is_busy and not self.draft.is_empty

    @property
    def can_stop(self) -> bool:
        """Whether the stop button has an effect."""
        return self.phase in (Phase.SENDING, Phase.ANSWERING)

    async def send(self) -> None:
        """Send the draft as a prompt and follow the answer to its end."""
        if not self.can_send:
            return
        prompt = self.draft.text.strip()
        self.draft.replace("")
        self.trouble = None
        self.phase = Phase.SENDING
        question, answer = said(prompt), awaited()
        self.bubbles.extend([question, answer])
        visit = self.visit
        if self._unsent is None or (self._unsent.prompt, self._unsent.conversation_id) != (
            prompt,
            self.conversation_id,
        ):
            self._unsent = _Unsent(prompt, self.conversation_id)
        try:
            accepted = await self.client.ask(
                prompt,
                conversation_id=self._unsent.conversation_id,
                request_id=self._unsent.request_id,
            )
        except GatewayError as error:
            if visit == self.visit:
                self._take_back(prompt, question, answer, error)
            return
        if visit != self.visit:
            await self.after_turn()
            if self.conversation_id == accepted.conversation_id:
                # The person left and came back: what was loaded may lack this turn.
                await self.open(accepted.conversation_id)
            return
        self._unsent = None
        self.conversation_id = accepted.conversation_id
        self._job_id = accepted.job_id
        answer.become(accepted.state)
        await self.after_turn()
        if visit != self.visit:
            return
        if self.phase is Phase.STOPPING:
            self.phase = Phase.ANSWERING
            self._spawn(self.stop())
        await self._follow(answer)

    async def stop(self) -> None:
        """Cancel the running answer; the text so far stays."""
        if not self.can_stop:
            return
        was_sending = self.phase is Phase.SENDING
        self.phase = Phase.STOPPING
        if self.bubbles:
            self.bubbles[-1].status = STOPPING
        if was_sending or self._job_id is None:
            return  # `send` stops the job once it is accepted
        visit = self.visit
        try:
            await self.client.cancel(self._job_id)
        except GatewayError as error:
            if visit == self.visit and self.phase is Phase.STOPPING:
                self.phase = Phase.ANSWERING
                self.trouble = trouble_of(error)

    async def resume(self) -> None:
        """Follow the open answer again, from the last event seen."""
        self.trouble = None
        if self.is_busy or not self.bubbles or not self.bubbles[-1].is_open:
            return
        self.phase = Phase.ANSWERING
        await self._follow(self.bubbles[-1])

    async def retry(self) -> None:
        """Repeat what failed: sending, following, or loading."""
        if self.can_send:
            await self.send()
        elif self.bubbles:
            await self.resume()
        elif self.conversation_id and not self.is_busy:
            await self.open(self.conversation_id)

    async def open(self, conversation_id: str) -> None:
        """Show a conversation from the history; follow its last answer if that is unfinished."""
        self._leave()
        visit = self.visit
        self.conversation_id = conversation_id
        self.phase = Phase.LOADING
        try:
            conversation = await self.client.conversation(conversation_id)
        except GatewayError as error:
            if visit == self.visit:
                self.phase = Phase.IDLE
                self.trouble = trouble_of(error)
            return
        if visit != self.visit:
            return
        self.bubbles = _bubbles_of(conversation)
        self.phase = Phase.IDLE
        if self.bubbles and self.bubbles[-1].is_open:
            self._job_id = conversation.turns[-1].job_id
            await self.resume()

    def new(self) -> None:
        """Begin a new conversation. A running answer continues and appears in the history."""
        self._leave()
        self.draft.replace("")

    def dismiss(self) -> None:
        """Remove the error."""
        self.trouble = None

    def leave(self) -> None:
        """Stop following, as the page is closed. The job itself continues."""
        self._leave()

    def _leave(self) -> None:
        self.visit += 1
        for task in self._background:
            task.cancel()
        self._background = []
        self._job_id = None
        self._unsent = None
        self.conversation_id = None
        self.trouble = None
        self.bubbles = []
        self.phase = Phase.IDLE

    async def _follow(self, answer: Bubble) -> None:
        """Apply the job's events to the bubble until it ends, and show why it waits meanwhile."""
        job_id, visit = self._job_id, self.visit
        if job_id is None:
            return
        if self.phase is not Phase.STOPPING:
            self.phase = Phase.ANSWERING
        explaining = self._spawn(self._explain(job_id, answer))
        reading = self._spawn(self._read(job_id, answer))
        # If a new visit cancels `reading`, `wait` still returns and raises nothing.
        await asyncio.wait({reading})
        explaining.cancel()
        if visit != self.visit:
            return
        self._background = []
        self.phase = Phase.IDLE
        if not answer.is_open:
            self._job_id = None
            await self.after_turn()

    async def _read(self, job_id: str, answer: Bubble) -> None:
        try:
            async with aclosing(self.client.follow(job_id, answer.last_seq)) as events:
                async for event in events:
                    answer.take(event)
                    if self.phase is Phase.STOPPING and answer.is_open:
                        answer.status = STOPPING
        except GatewayError as error:
            answer.status = INTERRUPTED
            self.trouble = trouble_of(error)

    async def _explain(self, job_id: str, answer: Bubble) -> None:
        async with aclosing(self.client.waiting(job_id)) as sentences:
            async for sentence in sentences:
                if answer.state is JobState.QUEUED and self.phase is Phase.ANSWERING:
                    answer.status = sentence

    def _spawn(self, work: "Awaitable[None]") -> asyncio.Task[None]:
        async def run() -> None:
            await work

        task = asyncio.create_task(run())
        self._background.append(task)
        return task

    def _take_back(
        self, prompt: str, question: Bubble, answer: Bubble, error: GatewayError
    ) -> None:
        """Put a prompt that was not accepted back into the field, so that it is not lost."""
        self.bubbles = [
            item for item in self.bubbles if item is not question and item is not answer
        ]
        if self.draft.is_empty:
            self.draft.replace(prompt)
        self.phase = Phase.IDLE
        self.trouble = trouble_of(error)


def _bubbles_of(conversation: Conversation) -> list[Bubble]:
    bubbles = []
    for turn in conversation.turns:
        for message in turn.messages:
            if message.role == Role.USER:
                bubbles.append(said(message.content))
            elif message.role == Role.ASSISTANT:
                bubbles.append(answered(message.content, JobState.SUCCEEDED))
        if turn.answer:
            bubbles.append(answered(turn.answer.text, turn.answer.state))
        else:
            bubbles.append(awaited())
    return bubbles
