"""From logits to a token: llama.cpp's own samplers, or none if the likeliest is wanted.

The order is llama.cpp's: bias, penalties, top-k, top-p, min-p, temperature, then a draw. The
repeat penalty looks at the last tokens, the prompt's included, as llama.cpp's users know it; the
frequency and presence penalties look at the whole answer and nothing else, as OpenAI's do.

A resumed answer goes on as if it had never stopped: the penalties have seen the committed tokens,
and a seeded sampler, which draws once per token, goes on after n tokens with draw n + 1.
"""

from collections.abc import Sequence
from typing import Any, Final, Protocol

import llama_cpp
import numpy as np

from aistratus_contracts.errors import JobErrorCode
from aistratus_contracts.job import Sampling
from aistratus_daemon.engine import grammar
from aistratus_daemon.engine.candidates import Candidates
from aistratus_daemon.engine.forms import Form
from aistratus_daemon.engine.llama import Llama, Logits
from aistratus_daemon.engine.shaping import Shaping, is_greedy
from aistratus_daemon.engine.vocabulary import Vocabulary
from aistratus_daemon.errors import RequestRefused

# Up to this many candidates are checked against a form one by one; otherwise all tokens at once.
MAX_TRIED_ALONE: Final = 64


class Sampler(Protocol):
    """Picks the tokens of one answer."""

    def pick(self, logits: Logits, room: Candidates) -> int | None:
        """The next token, from its row of logits (vocabulary); None if none is allowed.

        `room` has space for the whole vocabulary, and its content does not matter.
        """

    def close(self) -> None:
        """Give back what llama.cpp holds."""


def new_sampler(
    llama: Llama,
    sampling: Sampling,
    seed: int,
    prompt: Sequence[int],
    committed: Sequence[int],
    *,
    form: Form | None = None,
) -> Sampler:
    """A sampler positioned after the committed tokens; raises `RequestRefused`.

    `form` is the request's, if it has one, and must be positioned there too.
    """
    check_biases(sampling, llama.vocabulary.size)
    shaping = Shaping.of(
        sampling,
        prompt,
        committed,
        vocabulary=llama.vocabulary.size,
        context=llama.context,
    )
    if form is None and is_greedy(sampling) and not shaping.alters:
        shaping.close()
        return GREEDY
    draw = _new_draw(sampling, seed, len(committed))
    if form is None:
        return ChainSampler(shaping, draw)
    return FormSampler(llama.vocabulary, shaping, draw, form)


def check_biases(sampling: Sampling, vocabulary: int) -> None:
    """Refuse a bias for a token that the model does not have."""
    for item in sampling.logit_bias:
        if not 0 <= item.token < vocabulary:
            raise RequestRefused(
                JobErrorCode.INVALID_REQUEST,
                f"logit_bias names token {item.token}, and this model has tokens 0 to "
                f"{vocabulary - 1}; leave it out.",
            )


class Greedy:
    """Always picks the likeliest of all tokens."""

    def pick(self, logits: Logits, room: Candidates) -> int | None:  # noqa: ARG002 - needs none
        """The likeliest token; among equals, the first."""
        return int(logits.argmax())

    def close(self) -> None:
        """There is nothing to give back."""


GREEDY: Final = Greedy()


class ChainSampler:
    """llama.cpp's samplers, ending in a draw or in the likeliest."""

    def __init__(self, shaping: Shaping, draw: Any) -> None:
        self.shaping = shaping
        shaping.end_with(draw)

    def pick(self, logits: Logits, room: Candidates) -> int | None:
        """The next token; None if none is possible."""
        room.fill(logits)
        return self.pick_from(room)

    def pick_from(self, candidates: Candidates) -> int | None:
        """The next token, from all that can matter; None if there are none."""
        if not len(candidates):
            return None
        self.shaping.apply(candidates)
        token = candidates.selected
        self.shaping.took(token)
        return token

    def close(self) -> None:
        """Give back what llama.cpp holds."""
        self.shaping.close()


class FormSampler:
    """Picks only what a form allows.

    Checking all tokens of a vocabulary against a form may take milliseconds. So the few that the
    request's shaping leaves are checked first, and all tokens only if none of those is allowed.
    """

    def __init__(self, vocabulary: Vocabulary, shaping: Shaping, draw: Any, form: Form) -> None:
        self.form = form
        self._matcher = form.matcher
        self._ends = vocabulary.end_tokens
        self._shaping = shaping
        self._draw = draw

    def pick(self, logits: Logits, room: Candidates) -> int | None:
        """The next token; None if the form allows none.

        Raises `RequestRefused` if the form costs more than one answer may.
        """
        room.fill(logits)
        self._shaping.apply(room)
        if not (len(room) <= MAX_TRIED_ALONE and room.keep(self._is_allowed)):
            room.fill(logits)
            if not room.keep_where(self._mask(len(room))):
                return None
            self._shaping.apply(room)
        llama_cpp.llama_sampler_apply(self._draw, room.pointer)
        token = room.selected
        if token not in self._ends:
            self._shaping.took(token)
            self._matcher.consume_token(token)
            self._check()
        return token

    def _is_allowed(self, token: int) -> bool:
        is_allowed = self._matcher.validate_tokens([token]) == 1
        self._check()
        return is_allowed

    def _mask(self, size: int) -> Any:
        """Which tokens are allowed, as booleans."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        self._check()
        return np.unpackbits(bits, count=size, bitorder="little").astype(bool)

    def _check(self) -> None:
        if self._matcher.is_error():
            raise grammar.too_costly()

    def close(self) -> None:
        """Give back what llama.cpp holds."""
        self._shaping.close()
        llama_cpp.llama_sampler_free(self._draw)


def _new_draw(sampling: Sampling, seed: int, drawn: int) -> Any:
    """The sampler that makes the choice; with a seed, as if it had already made `drawn` choices."""
    if is_greedy(sampling):
        return llama_cpp.llama_sampler_init_greedy()
    draw = llama_cpp.llama_sampler_init_dist(seed)
    one = Candidates(1)
    for _ in range(drawn):
        one.fill_one(0)
        # It draws even from a single candidate, so this keeps it in step.
        llama_cpp.llama_sampler_apply(draw, one.pointer)
    return draw
