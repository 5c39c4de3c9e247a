"""Which conversation holds which of llama.cpp's sequences, and what is computed in it.

After an answer its slot keeps what was computed, and the conversation's next turn computes only
what is new. If another conversation needs the slot, its content is parked first. Conversations
share nothing but the prefix that comes from the operator's own system prompt.
"""

import logging
from dataclasses import dataclass, field
from typing import Final

from aistratus_daemon.engine.generation import (
    Generation,
    Slot,
    WaitingRoom,
    choose_slot,
    common_prefix,
)
from aistratus_daemon.engine.llama import Llama
from aistratus_daemon.engine.parked import Parked, ParkingLot

log = logging.getLogger("engine")

# Computing fewer tokens again is faster than copying them out and in.
MIN_PARKED_TOKENS: Final = 32


@dataclass
class Cache:
    """The slots, the parking lot, and the shared prefix."""

    llama: Llama
    parked_bytes: int
    slots: list[Slot] = field(init=False)
    _parking: ParkingLot = field(init=False)
    _shared: Parked | None = None
    _turn: int = 0
    # Kept from step to step, and rebuilt after a change.
    _running: list[Slot] | None = None
    _reading: list[Slot] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.slots = [Slot(sequence) for sequence in range(self.llama.slots)]
        self._parking = ParkingLot(self.parked_bytes)

    def share(self, prefix: list[int]) -> None:
        """Compute the prefix that all prompts share, once for all."""
        sequence, size = self.slots[0].sequence, self.llama.batch_tokens
        self.llama.forget(sequence)
        for start in range(0, len(prefix), size):
            chunk = prefix[start : start + size]
            self.llama.decode_prompt(chunk, start, sequence, wants_logits=False)
        self._shared = Parked(tuple(prefix), self.llama.save(sequence))
        self.llama.forget(sequence)

    # --- a slot's life ---

    def free_slot(self, waiting: WaitingRoom) -> Slot | None:
        """The slot for the longest-waiting request, or None if none is free."""
        if not any(slot.is_free for slot in self.slots):
            return None
        return choose_slot(self.slots, waiting.first.request.cache_key)

    def occupy(self, slot: Slot, generation: Generation) -> int:
        """Give a slot to a request; returns how many of its tokens need no computing."""
        key = generation.request.cache_key
        if slot.cache_key != key:
            self._park(slot)
        held = self._bring(slot, key, generation.prompt)
        self.llama.forget(slot.sequence, held)
        slot.cache_key = key
        slot.tokens = list(generation.prompt)
        slot.computed = held
        slot.generation = generation
        self._touch(slot)
        self.changed()
        return held

    def leave(self, slot: Slot) -> None:
        """Free the slot of an ended request; it keeps what is computed."""
        slot.generation = None
        # The last token was sampled but never computed: it is not in memory.
        del slot.tokens[slot.computed :]
        self._touch(slot)
        self.changed()

    def discard(self, slot: Slot) -> None:
        """Drop all that a slot holds."""
        self.llama.forget(slot.sequence)
        slot.clear()
        self.changed()

    def changed(self) -> None:
        """Note that a slot has begun to read, to answer or to rest."""
        self._running = None

    def _touch(self, slot: Slot) -> None:
        self._turn += 1
        slot.used_at = self._turn

    # --- where computed tokens come from and go ---

    def _bring(self, slot: Slot, key: str, prompt: list[int]) -> int:
        """Load the prompt's longest computed prefix, this key's own or the shared one."""
        own = common_prefix(slot.tokens[: slot.computed], prompt)
        best, source = own, None
        if (parked := self._parking.look(key)) is not None:
            best, source = _better(best, source, parked, prompt)
        if self._shared is not None:
            best, source = _better(best, source, self._shared, prompt)
        if source is None:
            return own
        self._parking.take(key)
        return best if self.llama.load(source.state, slot.sequence) else 0

    def _park(self, slot: Slot) -> None:
        if slot.cache_key is not None and slot.computed >= MIN_PARKED_TOKENS:
            tokens = tuple(slot.tokens[: slot.computed])
            self._parking.put(slot.cache_key, Parked(tokens, self.llama.save(slot.sequence)))
        self.discard(slot)

    # --- what is computed ---

    def reading(self) -> list[Slot]:
        """The slots whose prompts are not fully computed."""
        self._sort_out()
        return self._reading

    def running(self) -> list[Slot]:
        """The slots whose answers need their next token, by sequence.

        llama.cpp computes only neighbouring sequences together: a gap costs an extra batch. So the
        last slot's content moves into the first gap. llama.cpp does so when it next computes, and
        until then its memory must be left alone: call this right before computing.
        """
        found = self._sort_out()
        if len(found) > 1 and found[-1].sequence - found[0].sequence >= len(found):
            taken = {slot.sequence for slot in found}
            gaps = range(found[0].sequence + 1, found[-1].sequence)
            gap = next(self.slots[index] for index in gaps if index not in taken)
            if gap.is_free:
                self._move(found[-1], gap)
                found = self._sort_out()
        return found

    def _sort_out(self) -> list[Slot]:
        if self._running is None:
            busy = [slot for slot in self.slots if slot.generation is not None]
            self._reading = [slot for slot in busy if slot.is_reading]
            self._running = [slot for slot in busy if slot.is_answering]
        return self._running

    def _move(self, source: Slot, target: Slot) -> None:
        self._park(target)
        self.llama.move(source.sequence, target.sequence)
        target.take_over(source)
        self.changed()


def _better(
    best: int, source: Parked | None, other: Parked, prompt: list[int]
) -> tuple[int, Parked | None]:
    found = common_prefix(other.tokens, prompt)
    return (found, other) if found > best and found >= MIN_PARKED_TOKENS else (best, source)
