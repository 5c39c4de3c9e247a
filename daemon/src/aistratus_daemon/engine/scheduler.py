"""What goes into the next batch.

Each step is one `llama_decode` over one batch: every running answer gives one token, and waiting
prompts fill the rest in chunks, so a long prompt never stalls a running answer.
"""

import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from aistratus_contracts.errors import JobErrorCode
from aistratus_contracts.event import Usage
from aistratus_contracts.job import Message
from aistratus_contracts.states import FinishReason
from aistratus_daemon.engine import prompt as prompts
from aistratus_daemon.engine.answer_text import AnswerText
from aistratus_daemon.engine.generation import Generation, Slot, WaitingRoom, choose_slot
from aistratus_daemon.engine.llama import BATCH_TOKENS, Llama
from aistratus_daemon.errors import DecodeError, RequestRefused
from aistratus_daemon.frames import (
    Done,
    Failed,
    Frame,
    Generate,
    JobNotice,
    NewTokens,
    Stats,
    Tokens,
)

log = logging.getLogger("engine")

# While answers run, prompts take this much of a step at most: it bounds how long a running
# answer waits for its next token.
PREFILL_CHUNK_TOKENS: Final = 128
# Tokens of all answers leave together, this often; an answer's first token leaves at once.
FLUSH_SECONDS: Final = 0.02


@dataclass
class _Counters:
    prompt_tokens: int = 0
    cached_tokens: int = 0
    predicted_tokens: int = 0
    decodes: int = 0


@dataclass
class Scheduler:
    """Turns requests into frames, step by step. One thread uses it."""

    llama: Llama
    send: Callable[[Frame], None]
    clock: Callable[[], float] = time.monotonic
    _waiting: WaitingRoom = field(default_factory=WaitingRoom)
    _slots: list[Slot] = field(init=False)
    _unsent: list[NewTokens] = field(default_factory=list)
    _flushed_at: float = 0.0
    _turn: int = 0
    _counters: _Counters = field(default_factory=_Counters)

    def __post_init__(self) -> None:
        self._slots = [Slot(sequence) for sequence in range(self.llama.slots)]

    # --- what the outside asks for ---

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to compute."""
        return not len(self._waiting) and all(slot.is_free for slot in self._slots)

    def generate(self, request: Generate) -> None:
        """Accept a request; what is wrong with it comes back as a `failed` frame."""
        try:
            generation = self._prepared(request)
        except RequestRefused as refusal:
            self.send(Failed(request.job_id, refusal.code, str(refusal)))
            return
        if generation.notice is not None:
            self.send(JobNotice(request.job_id, generation.notice))
        if generation.limit <= 0:
            generation.finish_reason = FinishReason.LENGTH
            self._send_done(generation)
            return
        self._waiting.join(generation)

    def cancel(self, job_id: str) -> None:
        """End a request before the next step; unknown ones have ended already."""
        if (waiting := self._waiting.leave(job_id)) is not None:
            waiting.finish_reason = FinishReason.CANCELLED
            self._send_done(waiting)
            return
        for slot in self._slots:
            if slot.generation is not None and slot.generation.request.job_id == job_id:
                slot.generation.finish_reason = FinishReason.CANCELLED
                self._finish(slot)

    def drop_all(self) -> None:
        """Nobody listens any more: forget all requests, keep the computed contexts."""
        self._waiting.clear()
        self._unsent.clear()
        for slot in self._slots:
            self._release(slot)

    def stats(self) -> Stats:
        """The counters as a frame."""
        return Stats(
            requests_processing=sum(not slot.is_free for slot in self._slots),
            requests_deferred=len(self._waiting),
            prompt_tokens_total=self._counters.prompt_tokens,
            prompt_tokens_cached_total=self._counters.cached_tokens,
            tokens_predicted_total=self._counters.predicted_tokens,
            n_decode_total=self._counters.decodes,
        )

    # --- one step ---

    def step(self) -> None:
        """Compute one batch and send what came of it."""
        self._admit()
        sampled = self._fill_batch()
        if self.llama.room == BATCH_TOKENS:
            return
        try:
            self.llama.decode()
        except DecodeError as error:
            self._fail_running(error)
            return
        self._counters.decodes += 1
        has_first = False
        for slot, index in sampled:
            has_first |= self._take_token(slot, index)
        now = self.clock()
        if has_first or now - self._flushed_at >= FLUSH_SECONDS:
            self._flush(now)

    def _admit(self) -> None:
        while len(self._waiting) and any(slot.is_free for slot in self._slots):
            generation = self._waiting.next()
            slot = choose_slot(self._slots, generation.request.cache_key)
            self._occupy(slot, generation)

    def _occupy(self, slot: Slot, generation: Generation) -> None:
        request = generation.request
        shared = slot.common_prefix(generation.prompt) if slot.cache_key == request.cache_key else 0
        self.llama.forget(slot.sequence, shared)
        slot.cache_key = request.cache_key
        slot.tokens = list(generation.prompt)
        slot.computed = shared
        slot.generation = generation
        self._touch(slot)
        generation.cached = min(shared, generation.prompt_tokens)
        seed = request.sampling.seed
        generation.sampler = self.llama.new_sampler(
            request.sampling,
            secrets.randbits(32) if seed is None else seed,
            generation.prompt,
        )
        self._counters.prompt_tokens += generation.prompt_tokens
        self._counters.cached_tokens += generation.cached

    def _fill_batch(self) -> list[tuple[Slot, int]]:
        """Put together the batch; returns which slots get a token, and from which entry."""
        self.llama.clear_batch()
        busy = [slot for slot in self._slots if slot.generation is not None]
        running = [slot for slot in busy if len(slot.tokens) - slot.computed == 1]
        sampled = [(slot, self._add(slot, 1)) for slot in running]
        room = min(self.llama.room, PREFILL_CHUNK_TOKENS) if running else self.llama.room
        for slot in sorted(busy, key=lambda slot: slot.used_at):
            missing = len(slot.tokens) - slot.computed
            if slot in running or missing == 0 or room == 0:
                continue
            chunk = min(missing, room)
            index = self._add(slot, chunk)
            room -= chunk
            if chunk == missing:
                sampled.append((slot, index))
        return sampled

    def _add(self, slot: Slot, count: int) -> int:
        start, end = slot.computed, slot.computed + count
        is_last = end == len(slot.tokens)
        index = self.llama.add(slot.tokens[start:end], start, slot.sequence, sample=is_last)
        slot.computed = end
        return index

    def _take_token(self, slot: Slot, index: int) -> bool:
        """Sample one token of an answer; returns whether it is the answer's first to be shown."""
        generation = slot.generation
        if generation is None or generation.sampler is None:
            return False
        token = generation.sampler.sample(index)
        if self.llama.ends_answer(token):
            generation.finish_reason = FinishReason.STOP
            self._finish(slot)
            return True
        slot.tokens.append(token)
        generation.generated += 1
        generation.text.push(token, self.llama.piece(token))
        self._counters.predicted_tokens += 1
        if generation.text.stopped:
            generation.finish_reason = FinishReason.STOP
        elif generation.generated >= generation.limit:
            generation.finish_reason = FinishReason.LENGTH
        if generation.finish_reason is not None:
            self._finish(slot)
            return True
        self._collect(generation)
        return generation.generated == 1

    # --- what leaves ---

    def _collect(self, generation: Generation) -> None:
        ids, text = generation.text.take()
        if ids:
            self._unsent.append(NewTokens(generation.request.job_id, ids, text))

    def _flush(self, now: float) -> None:
        self._flushed_at = now
        if self._unsent:
            self.send(Tokens(tuple(_merged(self._unsent))))
            self._unsent = []

    def _finish(self, slot: Slot) -> None:
        generation = slot.generation
        if generation is None:
            return
        is_cut = generation.finish_reason is FinishReason.CANCELLED
        ids, text = generation.text.take() if is_cut else generation.text.finish()
        if ids or text:
            self._unsent.append(NewTokens(generation.request.job_id, ids, text))
        self._flush(self.clock())
        self._release(slot)
        self._send_done(generation)

    def _send_done(self, generation: Generation) -> None:
        if generation.finish_reason is None:
            raise ValueError("an answer that has not ended has no `done` frame")
        usage = Usage(
            prompt_tokens=generation.prompt_tokens,
            cached_tokens=generation.cached,
            completion_tokens=generation.completion_tokens,
        )
        self.send(Done(generation.request.job_id, generation.finish_reason, usage))

    def _release(self, slot: Slot) -> None:
        generation = slot.generation
        if generation is None:
            return
        if generation.sampler is not None:
            generation.sampler.close()
        slot.generation = None
        # The last token was sampled but never computed: it is not in memory.
        del slot.tokens[slot.computed :]
        self._touch(slot)

    def _touch(self, slot: Slot) -> None:
        self._turn += 1
        slot.used_at = self._turn

    def _fail_running(self, error: DecodeError) -> None:
        """A batch that cannot be computed leaves memory in doubt: end what was in it, clear it."""
        log.error("%s Every running job is failed and its context forgotten.", error)
        for slot in self._slots:
            if slot.generation is None:
                continue
            job_id = slot.generation.request.job_id
            self._release(slot)
            self.llama.forget(slot.sequence)
            slot.cache_key, slot.tokens, slot.computed = None, [], 0
            self.send(Failed(job_id, JobErrorCode.ENGINE_FAILED, str(error)))

    # --- from request to tokens ---

    def _prepared(self, request: Generate) -> Generation:
        vocabulary = self.llama.vocabulary
        if any(not 0 <= token < vocabulary for token in request.committed):
            raise RequestRefused(
                JobErrorCode.INVALID_REQUEST,
                "The committed part of this answer has token ids that this model does not know; "
                "it was begun by another model.",
            )
        fitted = prompts.fit(
            prompts.disarm(request.messages, self.llama.control_texts),
            context=self.llama.context,
            max_tokens=request.sampling.max_tokens,
            left_out=request.left_out,
            tokenize=self._tokenize,
        )
        committed = len(request.committed)
        room = self.llama.context - len(fitted.tokens)
        return Generation(
            request=request,
            prompt=[*fitted.tokens, *request.committed],
            text=AnswerText(request.sampling.stop),
            notice=fitted.notice,
            limit=min(request.sampling.max_tokens, room) - committed,
        )

    def _tokenize(self, messages: Sequence[Message]) -> list[int]:
        return self.llama.tokenize(self.llama.template.render(messages))


def _merged(items: list[NewTokens]) -> list[NewTokens]:
    """One entry per job, in order."""
    merged: dict[str, NewTokens] = {}
    for item in items:
        before = merged.get(item.job_id)
        merged[item.job_id] = (
            item
            if before is None
            else NewTokens(item.job_id, before.token_ids + item.token_ids, before.text + item.text)
        )
    return list(merged.values())
