"""A prompt becomes a job: stored once, in its conversation's order, and sent.

A job that a caller is told is accepted is stored in the table, with an entry in the list of open
jobs. It is sent at once or, if this process dies first, by a repeated request or the steward.
"""

import hashlib
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from aistratus_contracts import table
from aistratus_contracts.event import Event, StateChange
from aistratus_contracts.job import (
    Cursor,
    Job,
    LogitBias,
    Message,
    ResponseFormat,
    Sampling,
    new_conversation_id,
    new_job_id,
)
from aistratus_contracts.models import Catalogue, ModelCard
from aistratus_contracts.problem import FieldError
from aistratus_contracts.states import JobState, ResponseFormatType
from aistratus_contracts.table import ConversationHead, JobRecord
from aistratus_router.jobs.places import Places
from aistratus_router.log import describe, logger
from aistratus_router.store.conversations import ConversationStore
from aistratus_router.store.jobs import JobStore, NewJob, Outcome, RequestRecord
from aistratus_router.store.open_jobs import OpenJob, OpenJobs, open_job
from aistratus_router.wire.formats import (
    AnyFormat,
    GrammarFormat,
    JsonObjectFormat,
    JsonSchemaFormat,
)
from aistratus_router.wire.problems import (
    Refusal,
    conversation_busy,
    invalid_request,
    not_found,
    request_id_reused,
)
from aistratus_router.wire.requests import InferRequest, check_order
from aistratus_router.wire.sampling_fields import sampling_numbers_of

MAX_TRIES: Final = 8
FIRST_PAUSE_SECONDS: Final = 0.02


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A stored job and its state."""

    job_id: str
    conversation_id: str
    state: JobState


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes one owner's prompts."""

    jobs: JobStore
    conversations: ConversationStore
    open_jobs: OpenJobs
    places: Places
    catalogue: Catalogue
    owner: str
    clock: Callable[[], datetime] = _now
    sleep: Callable[[float], None] = time.sleep

    def accept(self, asked: InferRequest) -> Accepted:
        """Store and send a prompt, once per `request_id`; refuses with 404, 409, 422, 429, 503."""
        digest = fingerprint(asked)
        forgotten: str | None = None
        for attempt in range(MAX_TRIES):
            if attempt:
                self._pause(attempt)
            try:
                new = self._new_job(asked, digest)
            except Refusal:
                # What was accepted stays accepted, whatever has changed since.
                known, _ = self._known(asked.request_id, digest)
                if known is not None:
                    return known
                raise
            outcome = self.jobs.create(replace(new, forgotten_job_id=forgotten))
            if outcome is Outcome.DONE:
                return self._sent(new)
            if outcome is Outcome.REQUEST_ID_TAKEN:
                known, forgotten = self._known(asked.request_id, digest)
                if known is not None:
                    return known
        raise conversation_busy()

    def _new_job(self, asked: InferRequest, digest: str) -> NewJob:
        card = self._model(asked)
        sampling = _sampling(asked, card)
        errors = check_order(asked.messages, opens=asked.conversation_id is None)
        if errors:
            raise invalid_request(errors)
        now = self.clock()
        messages = tuple(Message(m.role, m.content) for m in asked.messages)
        head = self._next_head(asked.conversation_id, messages, now)
        job = Job(
            job_id=new_job_id(),
            owner=self.owner,
            conversation_id=head.conversation_id,
            turn=head.turns,
            model=card.id,
            sampling=sampling,
            created_at=now,
            expires_at=table.expiry_of(now),
        )
        request = None
        if asked.request_id is not None:
            request = RequestRecord(asked.request_id, job.job_id, digest)
        return NewJob(
            record=JobRecord(job, Cursor(JobState.QUEUED, attempt=0, next_seq=2)),
            first_event=Event(1, 0, now, StateChange(JobState.QUEUED)),
            messages=messages,
            head=head,
            turns_before=head.turns - 1,
            place=self.places.find(job.job_id, job.conversation_id, now),
            request=request,
        )

    def _model(self, asked: InferRequest) -> ModelCard:
        if asked.model is None:
            return self.catalogue.default
        card = self.catalogue.find(asked.model)
        if card is None:
            known = ", ".join(model.id for model in self.catalogue.models)
            raise invalid_request([FieldError("/model", f"Ask for one of: {known}.")])
        return card

    def _next_head(
        self, conversation_id: str | None, messages: tuple[Message, ...], now: datetime
    ) -> ConversationHead:
        if conversation_id is None:
            title = table.title_of(messages)
            return ConversationHead(new_conversation_id(), title, now, now, turns=1)
        head = self.conversations.head(conversation_id)
        if head is None:
            raise not_found("conversation")
        return replace(head, updated_at=now, turns=head.turns + 1)

    def _known(self, request_id: str | None, digest: str) -> tuple[Accepted | None, str | None]:
        """The job that a key created earlier, or only its id if that job is gone."""
        request = None if request_id is None else self.jobs.request(self.owner, request_id)
        if request is None:
            return None, None
        record = self.jobs.load(request.job_id)
        if record is None:
            return None, request.job_id
        if request.digest != digest:
            raise request_id_reused()
        job = record.job
        entry = self.open_jobs.find(job)
        if entry is not None and not entry.sends:
            self._send(entry)
        return Accepted(job.job_id, job.conversation_id, record.cursor.state), None

    def _sent(self, new: NewJob) -> Accepted:
        job = new.record.job
        self._send(open_job(job, new.place.group))
        return Accepted(job.job_id, job.conversation_id, new.record.cursor.state)

    def _send(self, entry: OpenJob) -> None:
        """Send a stored job. If the queue refuses, the job is still accepted."""
        try:
            self.open_jobs.send(entry, self.clock())
        except (BotoCoreError, ClientError) as error:
            logger.error(
                "a stored job could not be sent; the steward will send it",
                job_id=entry.job_id,
                **describe(error),
            )

    def _pause(self, attempt: int) -> None:
        """Full jitter, so that requests that collided do not collide again."""
        self.sleep(random.uniform(0, FIRST_PAUSE_SECONDS * 2**attempt))  # noqa: S311


def fingerprint(asked: InferRequest) -> str:
    """SHA-256 of what was asked, however it was written: key order, 5 or 5.0, null or absent.

    A schema counts as written, except for spaces: the answer follows the order of its keys.
    """
    body = asked.model_dump(mode="json", exclude={"request_id"}, exclude_none=True)
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _sampling(asked: InferRequest, card: ModelCard) -> Sampling:
    """What was asked for, over the model's and the contract's defaults."""
    most = card.context - 1
    if asked.max_tokens is not None and asked.max_tokens > most:
        sentence = f"{card.id} has a context of {card.context} tokens; ask for {most} at most."
        raise invalid_request([FieldError("/max_tokens", sentence)])
    return Sampling(
        max_tokens=min(card.default_max_tokens, most)
        if asked.max_tokens is None
        else asked.max_tokens,
        stop=tuple(asked.stop or ()),
        logit_bias=tuple(LogitBias(*entry) for entry in sorted((asked.logit_bias or {}).items())),
        response_format=_response_format(asked.response_format),
        **{"temperature": card.default_temperature, **sampling_numbers_of(asked)},
    )


def _response_format(asked: AnyFormat | None) -> ResponseFormat | None:
    match asked:
        case JsonObjectFormat():
            return ResponseFormat(ResponseFormatType.JSON_OBJECT)
        case JsonSchemaFormat():
            return ResponseFormat(
                ResponseFormatType.JSON_SCHEMA, schema=asked.json_schema.schema_text
            )
        case GrammarFormat():
            return ResponseFormat(ResponseFormatType.GRAMMAR, grammar=asked.grammar)
        case _:
            return None
