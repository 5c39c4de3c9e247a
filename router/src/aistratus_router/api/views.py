"""Jobs and conversations as their owner sees them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from aistratus_contracts import codec
from aistratus_contracts.codec import VERSION_KEY
from aistratus_contracts.event import (
    EVENT_VERSION,
    EventBody,
    JobError,
    Notice,
    StateChange,
    UnknownBody,
    Usage,
    event_from_plain,
)
from aistratus_contracts.states import FinishReason, JobState
from aistratus_contracts.table import ConversationHead, Turn
from aistratus_router.fleet.control import Fleet
from aistratus_router.store.conversations import ConversationStore
from aistratus_router.store.jobs import JobStore, LogPage
from aistratus_router.wire.problems import not_found
from aistratus_router.wire.responses import (
    AnswerOut,
    ConversationOut,
    Conversations,
    ConversationView,
    JobView,
    MessageOut,
    TurnOut,
    Waiting,
)

EARLIER_TURN: Final = Waiting(
    reason="earlier_turn",
    message="An earlier turn of this conversation has no answer yet; turns are answered in order.",
)
WORKER: Final = Waiting(
    reason="worker",
    message="It is next in its conversation and waits for a free worker.",
)


@dataclass(frozen=True, slots=True)
class Views:
    """What one owner may see."""

    jobs: JobStore
    conversations: ConversationStore
    owner: str
    fleet: Fleet

    def job(self, job_id: str) -> JobView:
        """A job with its answer so far; refuses with 404."""
        found = self.jobs.whole_log(job_id)
        if found is None or found.record.job.owner != self.owner:
            raise not_found("job")
        view = _job_view(found)
        if view.state is not JobState.QUEUED:
            return view
        job = found.record.job
        is_next = job.turn == 1 or self.conversations.has_answer(job.conversation_id, job.turn - 1)
        return view.model_copy(update={"waiting": self._worker() if is_next else EARLIER_TURN})

    def _worker(self) -> Waiting:
        """What a conversation's next job waits for: a worker, or what keeps one from starting."""
        obstacle = self.fleet.obstacle()
        return Waiting(reason="worker", message=obstacle) if obstacle else WORKER

    def conversation_list(self, limit: int, cursor: str | None) -> Conversations:
        """A page of conversations, last used first."""
        start = None
        if cursor is not None:
            listed_at, _, conversation_id = cursor.rpartition(".")
            start = (listed_at, conversation_id)
        heads, more = self.conversations.heads(limit, start)
        listed = [
            ConversationOut(
                conversation_id=head.conversation_id,
                title=head.title,
                created_at=head.created_at,
                updated_at=head.updated_at,
                turns=head.turns,
            )
            for head in heads
        ]
        return Conversations(
            conversations=listed, next_cursor=_cursor_after(heads[-1]) if more and heads else None
        )

    def conversation(self, conversation_id: str, before: int | None) -> ConversationView:
        """A conversation and its newest turns; refuses with 404."""
        head = self._head(conversation_id)
        turns, more = self.conversations.turns(conversation_id, before)
        return ConversationView(
            conversation_id=head.conversation_id,
            title=head.title,
            created_at=head.created_at,
            updated_at=head.updated_at,
            turns=[_turn(turn) for turn in turns],
            next_before=turns[0].turn if more and turns else None,
        )

    def _head(self, conversation_id: str) -> ConversationHead:
        head = self.conversations.head(conversation_id)
        if head is None:
            raise not_found("conversation")
        return head


def _job_view(found: LogPage) -> JobView:
    """A job with the sum of its log, which may be ahead of the job's own item."""
    job, state = found.record.job, found.record.cursor.state
    texts: list[str] = []
    notices: list[Notice] = []
    usage: Usage | None = None
    error: JobError | None = None
    finish_reason: FinishReason | None = None
    for body in _bodies(found.events):
        match body:
            case str(text):
                texts.append(text)
            case Usage():
                usage = body
            case JobError():
                error = body
            case Notice():
                notices.append(body)
            case StateChange():
                state, finish_reason = body.state, body.finish_reason
    return JobView(
        job_id=job.job_id,
        conversation_id=job.conversation_id,
        state=state,
        model=job.model,
        text="".join(texts),
        attempt=found.record.cursor.attempt,
        created_at=job.created_at,
        events=found.events[-1][0] if found.events else 0,
        notices=notices,
        usage=usage,
        error=error,
        finish_reason=finish_reason,
    )


def _bodies(events: Sequence[tuple[int, str]]) -> Iterator[EventBody | UnknownBody | str]:
    """The events' bodies; for a delta, only its text.

    Nearly all of a log is deltas, and a long answer has a thousand. Parsing them at once and
    reading only their text takes a tenth of the time.
    """
    for document in json.loads("[" + ",".join(text for _, text in events) + "]"):
        if "delta" in document and document[VERSION_KEY] == EVENT_VERSION:
            yield document["delta"]["text"]
        else:
            yield event_from_plain(document).body


def _turn(turn: Turn) -> TurnOut:
    answer = turn.answer
    return TurnOut(
        turn=turn.turn,
        job_id=turn.job_id,
        created_at=turn.created_at,
        messages=[MessageOut(role=m.role, content=m.content) for m in turn.messages],
        answer=None if answer is None else AnswerOut(state=answer.state, text=answer.text),
    )


def _cursor_after(head: ConversationHead) -> str:
    return f"{codec.format_time(head.updated_at)}.{head.conversation_id}"
