"""One answer in progress: what is still to be computed, and what has come out."""

from collections import deque
from dataclasses import dataclass, field

from aistratus_contracts.event import Notice
from aistratus_contracts.states import FinishReason
from aistratus_daemon.engine.answer_text import AnswerText
from aistratus_daemon.engine.llama import Logits
from aistratus_daemon.engine.sampling import Sampler
from aistratus_daemon.frames import Generate


@dataclass(eq=False, slots=True)
class Generation:
    """A request with its tokens. `prompt` includes the committed part of the answer."""

    request: Generate
    prompt: list[int]
    text: AnswerText
    sampler: Sampler
    notice: Notice | None
    limit: int
    asked_at: float
    generated: int = 0
    cached: int = 0
    # The logits of a postponed pick; None if there is none.
    due: Logits | None = None
    # What the last pick took, in seconds.
    pick_seconds: float = 0.0
    finish_reason: FinishReason | None = None

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt proper, without the committed part of the answer."""
        return len(self.prompt) - len(self.request.committed)

    @property
    def completion_tokens(self) -> int:
        """Tokens of the answer, over all attempts."""
        return len(self.request.committed) + self.generated


@dataclass(eq=False, slots=True)
class Slot:
    """One of llama.cpp's sequences: what it holds, for whom, and what it is computing.

    `tokens[:computed]` lie in the sequence's memory; the rest waits for a batch. A slot without
    a generation keeps its memory for the conversation that `cache_key` names.
    """

    sequence: int
    cache_key: str | None = None
    tokens: list[int] = field(default_factory=list)
    computed: int = 0
    generation: Generation | None = None
    used_at: int = 0

    @property
    def is_free(self) -> bool:
        """Whether a waiting request may have it."""
        return self.generation is None

    @property
    def is_answering(self) -> bool:
        """Whether the prompt is computed and the answer has begun."""
        generation = self.generation
        return generation is not None and generation.generated > 0 and generation.due is None

    @property
    def is_reading(self) -> bool:
        """Whether part of the prompt is still to be computed."""
        generation = self.generation
        return generation is not None and generation.generated == 0 and generation.due is None

    @property
    def missing(self) -> int:
        """How many tokens wait to be computed; 1 while an answer is running."""
        return len(self.tokens) - self.computed

    def clear(self) -> None:
        """Hold nothing, for nobody."""
        self.cache_key, self.tokens, self.computed = None, [], 0
        self.generation, self.used_at = None, 0

    def take_over(self, other: "Slot") -> None:
        """Take all that another slot holds, and leave it empty."""
        self.cache_key, self.tokens, self.computed = other.cache_key, other.tokens, other.computed
        self.generation, self.used_at = other.generation, other.used_at
        other.clear()


def common_prefix(held: list[int] | tuple[int, ...], prompt: list[int]) -> int:
    """How many tokens of the prompt are held already.

    At least one token is always computed again, because only computing gives logits.
    """
    most = min(len(held), len(prompt) - 1)
    if list(held[:most]) == prompt[:most]:
        return max(most, 0)
    return next(index for index in range(most) if held[index] != prompt[index])


def choose_slot(slots: list[Slot], cache_key: str) -> Slot:
    """Among the free slots the conversation's own, else an empty one, else the longest unused."""
    free = [slot for slot in slots if slot.is_free]
    own = [slot for slot in free if slot.cache_key == cache_key]
    return min(own or free, key=lambda slot: (slot.used_at, slot.sequence))


@dataclass
class WaitingRoom:
    """Requests that wait for a slot, first come first served."""

    _queue: deque[Generation] = field(default_factory=deque)

    def __len__(self) -> int:
        return len(self._queue)

    def join(self, generation: Generation) -> None:
        """Wait at the end."""
        self._queue.append(generation)

    @property
    def first(self) -> Generation:
        """The longest-waiting request, which goes on waiting."""
        return self._queue[0]

    def next(self) -> Generation:
        """Take out the longest-waiting request."""
        return self._queue.popleft()

    def leave(self, job_id: str) -> Generation | None:
        """Take out a request that no longer wants an answer."""
        for generation in self._queue:
            if generation.request.job_id == job_id:
                self._queue.remove(generation)
                return generation
        return None

    def clear(self) -> list[Generation]:
        """Take out all requests."""
        everybody = list(self._queue)
        self._queue.clear()
        return everybody
