"""From logits to a token: llama.cpp's own samplers, or none if the likeliest is wanted.

The order is llama.cpp's: bias, penalties, top-k, top-p, min-p, temperature, then a draw. The
repeat penalty looks at the last tokens, the prompt's included, as llama.cpp's users know it; the
frequency and presence penalties look at the whole answer and nothing else, as OpenAI's do.

A resumed answer goes on as if it had never stopped: the penalties have seen the committed tokens,
and a seeded sampler, which draws once per token, goes on after n tokens with draw n + 1.
"""

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import llama_cpp
import numpy as np

from aistratus_contracts.errors import JobErrorCode
from aistratus_contracts.job import Sampling
from aistratus_daemon.engine import grammar
from aistratus_daemon.engine.forms import Form
from aistratus_daemon.engine.llama import Llama, Logits
from aistratus_daemon.engine.vocabulary import Vocabulary
from aistratus_daemon.errors import RequestRefused

# How far back the repeat penalty looks, in tokens; llama.cpp's own default.
REPEAT_LAST_TOKENS: Final = 64
# Logits divided by less than this overflow a 32-bit float; sampling is greedy by then.
MIN_TEMPERATURE: Final = 1e-3
# Up to this many candidates are checked against a form one by one; otherwise all tokens at once.
MAX_TRIED_ALONE: Final = 64
# llama.cpp's llama_token_data.
_CANDIDATE: Final = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


class Sampler(Protocol):
    """Picks the tokens of one answer."""

    def pick(self, logits: Logits, row: int) -> int | None:
        """The next token, from a row of the last computed logits; None if none is allowed.

        `row` -1 is the last.
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
    shaping = _shaping(llama, sampling, prompt, committed)
    if form is None and not shaping and _is_greedy(sampling):
        return GREEDY
    draw = _new_draw(sampling, seed, len(committed))
    if form is None:
        return ChainSampler(llama, shaping, draw)
    if _is_greedy(sampling):
        shaping.append(llama_cpp.llama_sampler_init_top_k(1))
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


def _is_greedy(sampling: Sampling) -> bool:
    return sampling.temperature < MIN_TEMPERATURE


class Greedy:
    """Always picks the likeliest of all tokens."""

    def pick(self, logits: Logits, row: int) -> int | None:
        """The likeliest token; among equals, the first."""
        return int(logits[row].argmax())

    def close(self) -> None:
        """There is nothing to give back."""


GREEDY: Final = Greedy()


class ChainSampler:
    """llama.cpp's sampler chain, ending in a draw or in the likeliest."""

    def __init__(self, llama: Llama, shaping: Sequence[Any], draw: Any) -> None:
        self._ctx = llama.raw_context
        self._chain = _new_chain([*shaping, draw])

    def pick(self, logits: Logits, row: int) -> int | None:  # noqa: ARG002 - it reads them itself
        """The next token."""
        token: int = llama_cpp.llama_sampler_sample(self._chain, self._ctx, row)
        return token

    def close(self) -> None:
        """Give back the chain and all in it."""
        llama_cpp.llama_sampler_free(self._chain)


class FormSampler:
    """Picks only what a form allows.

    Checking all tokens of a vocabulary against a form may take milliseconds. So the few that the
    chain leaves are checked first, and all tokens only if none of those is allowed.
    """

    def __init__(
        self, vocabulary: Vocabulary, shaping: Sequence[Any], draw: Any, form: Form
    ) -> None:
        self.form = form
        self._matcher = form.matcher
        self._ends = vocabulary.end_tokens
        self._all = _Candidates(vocabulary.size)
        self._chain = _new_chain(shaping)
        self._draw = draw

    def pick(self, logits: Logits, row: int) -> int | None:
        """The next token; None if the form allows none.

        Raises `RequestRefused` if the form costs more than one answer may.
        """
        candidates = self._all
        candidates.fill(logits[row])
        llama_cpp.llama_sampler_apply(self._chain, candidates.pointer)
        if not (len(candidates) <= MAX_TRIED_ALONE and candidates.keep(self._is_allowed)):
            candidates.fill(logits[row])
            if not candidates.keep_where(self._mask(len(candidates))):
                return None
            llama_cpp.llama_sampler_apply(self._chain, candidates.pointer)
        llama_cpp.llama_sampler_apply(self._draw, candidates.pointer)
        token = candidates.selected
        if token not in self._ends:
            llama_cpp.llama_sampler_accept(self._chain, token)
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
        for sampler in (self._chain, self._draw):
            llama_cpp.llama_sampler_free(sampler)


@dataclass
class _Candidates:
    """llama.cpp's array of candidates, over our own array."""

    size: int

    def __post_init__(self) -> None:
        self._items = np.zeros(self.size, _CANDIDATE)
        self._ids = np.arange(self.size, dtype=np.int32)
        data = self._items.ctypes.data_as(ctypes.POINTER(llama_cpp.llama_token_data))
        self._native = llama_cpp.llama_token_data_array(
            data=data, size=0, selected=-1, sorted=False
        )
        self.pointer = ctypes.byref(self._native)

    def fill(self, logits: Any) -> None:
        """All tokens, with their logits."""
        self._items["id"] = self._ids
        self._items["logit"] = logits
        self._reset(self.size)

    def fill_one(self, token: int) -> None:
        """One token alone."""
        self._items[0] = (token, 0.0, 0.0)
        self._reset(1)

    def _reset(self, size: int) -> None:
        self._native.size = size
        self._native.selected = -1
        self._native.sorted = False

    def __len__(self) -> int:
        return int(self._native.size)

    def keep(self, is_wanted: Callable[[int], bool]) -> bool:
        """Keep only the wanted candidates, in order; returns whether any is left."""
        ids = self._items["id"][: self._native.size].tolist()
        return self.keep_where(np.array([is_wanted(token) for token in ids], bool))

    def keep_where(self, wanted: Any) -> bool:
        """As `keep`, by one boolean per candidate."""
        left = self._items[: self._native.size][wanted]
        self._items[: len(left)] = left
        self._native.size = len(left)
        return len(left) > 0

    @property
    def selected(self) -> int:
        """The token that a sampler has chosen."""
        return int(self._items["id"][self._native.selected])


def _shaping(
    llama: Llama, sampling: Sampling, prompt: Sequence[int], committed: Sequence[int]
) -> list[Any]:
    """The samplers that change or narrow the choice before it is made; empty if there are none.

    A new parameter belongs here, and nowhere else in the engine.
    """
    links: list[Any] = []
    size = llama.vocabulary.size
    if sampling.logit_bias:
        biases = (llama_cpp.llama_logit_bias * len(sampling.logit_bias))(
            *(llama_cpp.llama_logit_bias(item.token, item.bias) for item in sampling.logit_bias)
        )
        links.append(llama_cpp.llama_sampler_init_logit_bias(size, len(biases), biases))
    if sampling.repeat_penalty != 1:
        repeat = llama_cpp.llama_sampler_init_penalties(
            size, REPEAT_LAST_TOKENS, sampling.repeat_penalty, 0, 0
        )
        links.append(_after(repeat, [*prompt, *committed][-REPEAT_LAST_TOKENS:]))
    if sampling.frequency_penalty or sampling.presence_penalty:
        # No answer is longer than the context.
        counts = llama_cpp.llama_sampler_init_penalties(
            size, llama.context, 1, sampling.frequency_penalty, sampling.presence_penalty
        )
        links.append(_after(counts, committed))
    if _is_greedy(sampling):
        return links
    if sampling.top_k > 0:
        links.append(llama_cpp.llama_sampler_init_top_k(sampling.top_k))
    if sampling.top_p < 1:
        links.append(llama_cpp.llama_sampler_init_top_p(sampling.top_p, 1))
    if sampling.min_p > 0:
        links.append(llama_cpp.llama_sampler_init_min_p(sampling.min_p, 1))
    links.append(llama_cpp.llama_sampler_init_temp(sampling.temperature))
    return links


def _after(link: Any, seen: Sequence[int]) -> Any:
    """The link, after it has seen these tokens."""
    for token in seen:
        llama_cpp.llama_sampler_accept(link, token)
    return link


def _new_draw(sampling: Sampling, seed: int, drawn: int) -> Any:
    """The sampler that makes the choice; with a seed, as if it had already made `drawn` choices."""
    if _is_greedy(sampling):
        return llama_cpp.llama_sampler_init_greedy()
    draw = llama_cpp.llama_sampler_init_dist(seed)
    one = _Candidates(1)
    for _ in range(drawn):
        one.fill_one(0)
        # It draws even from a single candidate, so this keeps it in step.
        llama_cpp.llama_sampler_apply(draw, one.pointer)
    return draw


def _new_chain(links: Sequence[Any]) -> Any:
    parameters = llama_cpp.llama_sampler_chain_default_params()
    parameters.no_perf = True
    chain = llama_cpp.llama_sampler_chain_init(parameters)
    for link in links:
        llama_cpp.llama_sampler_chain_add(chain, link)
    return chain
