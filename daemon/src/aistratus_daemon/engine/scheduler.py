"""Decides what is computed next.

A step gives every running answer one token and computes a chunk of one waiting prompt, so a long
prompt never stalls a running answer. Sequences join and leave between steps.

The chunk is a separate call to llama.cpp, which would split a common batch anyway: it computes
sequences with cells of their own together only if each brings the same number of tokens
(docs/adr/0011).
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from aistratus_contracts.errors import JobErrorCode
from aistratus_contracts.event import Usage
from aistratus_contracts.states import FinishReason
from aistratus_daemon.engine.cache import Cache
from aistratus_daemon.engine.counters import Counters
from aistratus_daemon.engine.forms import Form, Forms
from aistratus_daemon.engine.generation import Generation, Slot, WaitingRoom
from aistratus_daemon.engine.grammar import too_costly
from aistratus_daemon.engine.llama import Llama, Logits
from aistratus_daemon.engine.pace import Pace
from aistratus_daemon.engine.picks import Picks
from aistratus_daemon.engine.preparation import Preparation
from aistratus_daemon.engine.sampling import GREEDY, FormSampler, Sampler
from aistratus_daemon.engine.unsent import Unsent
from aistratus_daemon.errors import DecodeError, RequestRefused
from aistratus_daemon.frames import (
    Done,
    Failed,
    Frame,
    Generate,
    JobNotice,
    Stats,
)
from aistratus_daemon.job_context import about

log = logging.getLogger("engine")

# How many chunks of shorter prompts may go before the oldest prompt's next chunk.
MAX_OVERTAKES: Final = 4
# After this share of its expected time, a chunk is no longer interrupted for news.
INTERRUPT_SHARE: Final = 0.5
# Shorter chunks are never interrupted: the checks are not worth it.
INTERRUPT_SECONDS: Final = 0.1
# Answers in a form get as much time for their picks as llama.cpp spends computing, and may save up
# this much of it.
MAX_CREDIT_SECONDS: Final = 0.05
# A pick that takes longer is too costly, and its answer is refused.
MAX_PICK_SECONDS: Final = 1.0


def _no_news() -> bool:
    return False


@dataclass
class Scheduler:
    """Turns requests into frames, step by step. One thread uses it.

    `has_news` says whether something has come in for the next step to look at. `forms` prepares
    answers' forms, and tells the caller of `step` when one is ready.
    """

    llama: Llama
    send: Callable[[Frame], None]
    forms: Forms
    has_news: Callable[[], bool] = _no_news
    parked_bytes: int = 0
    system_prompt: str = ""
    clock: Callable[[], float] = time.monotonic
    counters: Counters = field(default_factory=Counters)
    _waiting: WaitingRoom = field(default_factory=WaitingRoom)
    _preparation: Preparation = field(init=False)
    _unsent: Unsent = field(init=False)
    _cache: Cache = field(init=False)
    _pace: Pace = field(init=False)
    _picks: Picks = field(init=False)
    _overtakes: int = 0
    _was_interrupted: bool = False
    # Requests whose forms are being prepared.
    _forming: dict[str, Generate] = field(default_factory=dict)
    _due: list[Slot] = field(default_factory=list)
    _credit: float = 0.0

    def __post_init__(self) -> None:
        self._preparation = Preparation(self.llama, self.system_prompt, self.clock)
        self._unsent = Unsent(self.send)
        self._cache = Cache(self.llama, self.parked_bytes)
        self._pace = Pace(self.llama.batch_tokens)
        self._picks = Picks(self.llama.vocabulary.size)
        if self.system_prompt:
            self._cache.share(self._preparation.static_prefix())

    @property
    def _slots(self) -> list[Slot]:
        return self._cache.slots

    # --- called from outside ---

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to compute."""
        return not len(self._waiting) and all(slot.is_free for slot in self._slots)

    @property
    def is_forming(self) -> bool:
        """Whether there are requests whose forms are not ready."""
        return bool(self._forming)

    def generate(self, request: Generate) -> None:
        """Accept a request; if it is refused, a `failed` frame says why."""
        if request.sampling.response_format is None:
            self._join(request)
        else:
            self._forming[request.job_id] = request
            self.forms.want(request)

    def _take_formed(self) -> None:
        """Let the requests whose forms are ready join the others."""
        while (formed := self.forms.take()) is not None:
            request, outcome = formed.request, formed.outcome
            if self._forming.get(request.job_id) is not request:
                continue  # it was cancelled meanwhile
            del self._forming[request.job_id]
            if isinstance(outcome, RequestRefused):
                self.send(Failed(request.job_id, outcome.code, str(outcome)))
            else:
                self._join(request, outcome)

    def _join(self, request: Generate, form: Form | None = None) -> None:
        try:
            generation = self._preparation.prepare(request, form)
        except RequestRefused as refusal:
            self.send(Failed(request.job_id, refusal.code, str(refusal)))
            return
        if generation.notice is not None:
            self.send(JobNotice(request.job_id, generation.notice))
        if generation.limit <= 0:
            generation.finish_reason = FinishReason.LENGTH
            self._end(generation)
            return
        self._waiting.join(generation)

    def cancel(self, job_id: str) -> None:
        """End a request before the next step; unknown ones have ended already."""
        if self._forming.pop(job_id, None) is not None:
            self.send(Done(job_id, FinishReason.CANCELLED, Usage(0, 0, 0)))
            return
        if (waiting := self._waiting.leave(job_id)) is not None:
            waiting.finish_reason = FinishReason.CANCELLED
            self._end(waiting)
            return
        for slot in self._slots:
            if slot.generation is not None and slot.generation.request.job_id == job_id:
                slot.generation.finish_reason = FinishReason.CANCELLED
                self._finish(slot, slot.generation)

    def drop_all(self) -> None:
        """Nobody listens any more: forget all requests, keep the computed contexts."""
        for generation in self._waiting.clear():
            generation.sampler.close()
        self._unsent.clear()
        self._forming.clear()
        self._due.clear()
        for slot in self._slots:
            if slot.generation is not None:
                slot.generation.sampler.close()
                self._cache.leave(slot)

    def stats(self) -> Stats:
        """The current counts, as a frame."""
        return self.counters.stats(
            processing=sum(not slot.is_free for slot in self._slots),
            deferred=len(self._waiting) + len(self._forming),
            cached_tokens=sum(slot.computed for slot in self._slots),
            cells=self.llama.slots * self.llama.context,
        )

    # --- one step ---

    def step(self) -> None:
        """Give every running answer a token, and compute a chunk of one prompt."""
        self._take_formed()
        while len(self._waiting) and (slot := self._cache.free_slot(self._waiting)) is not None:
            self._admit(slot, self._waiting.next())
        running = self._cache.running()
        if running:
            self._advance(running)
        if (slot := self._next_prompt()) is not None:
            self._read_prompt(slot, beside_answers=bool(running))
        self._pick_due()
        self._unsent.flush_if_due(self.clock())

    def _admit(self, slot: Slot, generation: Generation) -> None:
        held = self._cache.occupy(slot, generation)
        generation.cached = min(held, generation.prompt_tokens)
        self.counters.prompt_tokens += generation.prompt_tokens
        self.counters.cached_tokens += generation.cached

    # --- running answers ---

    def _advance(self, running: list[Slot]) -> None:
        """Compute one token for each, in two batches if that has proved faster."""
        is_split = self._pace.is_split(len(running))
        middle = len(running) // 2 if is_split else len(running)
        spent = sum(self._advance_rows(rows) for rows in (running[:middle], running[middle:]))
        self._pace.took_rows(len(running), spent, is_split=is_split)
        self.counters.predicted_seconds += spent
        self._earn(spent)

    def _advance_rows(self, rows: list[Slot]) -> float:
        """Compute a batch of one token each; returns the seconds spent in llama.cpp."""
        if not rows:
            return 0.0
        began = self.clock()
        try:
            logits = self.llama.decode_rows(
                [slot.tokens[-1] for slot in rows],
                [slot.computed for slot in rows],
                [slot.sequence for slot in rows],
            )
        except DecodeError as error:
            self._fail(rows, error)
            return 0.0
        now = self.clock()
        self.counters.decoded(len(rows))
        tokens = self._picks.of_all([_sampler(slot) for slot in rows], logits)
        for row, (slot, token) in enumerate(zip(rows, tokens, strict=True)):
            slot.computed += 1
            if _follows_form(slot):
                self._put_off(slot, logits[row])
            else:
                self._take(slot, token)
        self._unsent.flush_if_due(now)
        return now - began

    def _take(self, slot: Slot, token: int | None) -> None:
        """Add a token to a slot's answer."""
        generation = slot.generation
        if generation is None:
            return
        vocabulary = self.llama.vocabulary
        if token is None or token in vocabulary.end_tokens:
            generation.finish_reason = FinishReason.STOP
            self._finish(slot, generation)
            return
        slot.tokens.append(token)
        generation.generated += 1
        self.counters.predicted_tokens += 1
        self._unsent.add(
            generation.request.job_id, *generation.text.add(token, vocabulary.piece(token))
        )
        if generation.text.stopped:
            generation.finish_reason = FinishReason.STOP
        elif generation.generated >= generation.limit:
            generation.finish_reason = FinishReason.LENGTH
        if generation.finish_reason is not None:
            self._finish(slot, generation)

    # --- prompts ---

    def _next_prompt(self) -> Slot | None:
        """The prompt with the least to compute, or the oldest if it was passed over too often.

        So a short prompt overtakes a long one, but not forever.
        """
        reading = self._cache.reading()
        if not reading:
            return None
        oldest = min(reading, key=lambda slot: slot.used_at)
        shortest = min(reading, key=lambda slot: (slot.missing, slot.used_at))
        if shortest is oldest or self._overtakes >= MAX_OVERTAKES:
            self._overtakes = 0
            return oldest
        self._overtakes += 1
        return shortest

    def _read_prompt(self, slot: Slot, *, beside_answers: bool) -> None:
        generation = slot.generation
        if generation is None:
            return
        count = self._pace.chunk(slot.missing, beside_answers=beside_answers)
        is_last = count == slot.missing
        chunk = slot.tokens[slot.computed : slot.computed + count]
        began = self.clock()
        self.llama.interrupt_when(self._interruption(count, began))
        try:
            logits = self.llama.decode_prompt(
                chunk, slot.computed, slot.sequence, wants_logits=is_last
            )
        except DecodeError as error:
            self._fail([slot], error)
            return
        finally:
            self.llama.interrupt_when(None)
        now = self.clock()
        self.counters.prompt_seconds += now - began
        self._was_interrupted = logits is None
        if logits is None:
            return
        self._pace.took_prompt(count, now - began)
        self._earn(now - began)
        self.counters.decoded(1)
        slot.computed += count
        if is_last:
            self.counters.first_token(now - generation.asked_at)
            if _follows_form(slot):
                self._put_off(slot, logits[-1])
            else:
                self._take(slot, self._picks.one(generation.sampler, logits[-1]))
            self._cache.changed()
            self._unsent.flush(self.clock())

    def _interruption(self, count: int, began: float) -> Callable[[], bool] | None:
        """When to interrupt a chunk: for news, early in it, and never twice in a row."""
        expected = self._pace.expected_seconds(count)
        if self._was_interrupted or expected < INTERRUPT_SECONDS:
            return None
        latest = began + expected * INTERRUPT_SHARE
        return lambda: self.has_news() and self.clock() < latest

    # --- answers in a form ---

    def _put_off(self, slot: Slot, logits: Logits) -> None:
        """Postpone a slot's pick: a form may be slow, and other answers go on meanwhile."""
        if slot.generation is not None:
            slot.generation.due = logits.copy()
            self._due.append(slot)
            self._cache.changed()

    def _earn(self, seconds: float) -> None:
        self._credit = min(self._credit + seconds, MAX_CREDIT_SECONDS)

    def _pick_due(self) -> None:
        """Pick for answers in a form, the quickest first, while their share of time lasts.

        So whatever forms cost, other answers are at most twice as slow, and a quick form does not
        wait for a slow one. With nothing else to compute, the share does not apply.
        """
        while self._due and (self._credit > 0 or self._has_only_due()):
            slot = min(self._due, key=_pick_seconds)
            self._due.remove(slot)
            generation = slot.generation
            if generation is None or generation.due is None:
                continue  # it was cancelled meanwhile
            began = self.clock()
            self._pick(slot, generation, generation.due)
            generation.pick_seconds = self.clock() - began
            self._credit -= generation.pick_seconds
        self._credit = max(self._credit, 0.0) if self.is_idle else self._credit

    def _has_only_due(self) -> bool:
        return (
            not self.has_news()
            and not len(self._waiting)
            and not self._cache.running()
            and not self._cache.reading()
        )

    def _pick(self, slot: Slot, generation: Generation, logits: Logits) -> None:
        began = time.thread_time()
        try:
            token = self._picks.one(generation.sampler, logits)
            if time.thread_time() - began > MAX_PICK_SECONDS:
                raise too_costly()
        except RequestRefused as refusal:
            if isinstance(generation.sampler, FormSampler):
                self.forms.condemn(generation.sampler.form)
            self._refuse(slot, generation, refusal)
            return
        generation.due = None
        self._cache.changed()
        self._take(slot, token)

    def _refuse(self, slot: Slot, generation: Generation, refusal: RequestRefused) -> None:
        """End one answer with a refusal; its computed context stays valid."""
        generation.due = None
        generation.sampler.close()
        self._cache.leave(slot)
        self._unsent.flush(self.clock())
        self.send(Failed(generation.request.job_id, refusal.code, str(refusal)))

    # --- what leaves ---

    def _finish(self, slot: Slot, generation: Generation) -> None:
        is_cut = generation.finish_reason is FinishReason.CANCELLED
        ids, text = generation.text.take() if is_cut else generation.text.finish()
        self._unsent.add(generation.request.job_id, ids, text)
        self._cache.leave(slot)
        self._end(generation)

    def _end(self, generation: Generation) -> None:
        if generation.finish_reason is None:
            raise ValueError("an answer that has not ended has no `done` frame")
        generation.sampler.close()
        self._unsent.flush(self.clock())
        usage = Usage(
            prompt_tokens=generation.prompt_tokens,
            cached_tokens=generation.cached,
            completion_tokens=generation.completion_tokens,
        )
        self.send(Done(generation.request.job_id, generation.finish_reason, usage))

    def _fail(self, slots: Sequence[Slot], error: DecodeError) -> None:
        """End the answers of a failed batch and clear their slots, whose memory is in doubt."""
        for slot in slots:
            generation = slot.generation
            self._cache.discard(slot)
            if generation is not None:
                generation.sampler.close()
                request = generation.request
                with about(request.context):
                    log.error("%s The job fails, and what was computed for it is dropped.", error)
                self.send(Failed(request.job_id, JobErrorCode.ENGINE_FAILED, str(error)))


def _sampler(slot: Slot) -> Sampler:
    return GREEDY if slot.generation is None else slot.generation.sampler


def _follows_form(slot: Slot) -> bool:
    return slot.generation is not None and isinstance(slot.generation.sampler, FormSampler)


def _pick_seconds(slot: Slot) -> float:
    return 0.0 if slot.generation is None else slot.generation.pick_seconds
