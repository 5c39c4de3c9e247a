"""What a request makes of the logits before the choice: biases, penalties, and what is cut off.

llama.cpp's own samplers do it. They look at each candidate, and a vocabulary has tens of thousands,
so they get only those that can matter: the likeliest, if the request takes no others, and each
whose logit a bias or a penalty changes.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import InitVar, dataclass, field
from typing import Any, Final

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from aistratus_contracts.job import Sampling
from aistratus_daemon.engine.candidates import Candidates, likeliest
from aistratus_daemon.engine.llama import Logits

# How far back the repeat penalty looks, in tokens; llama.cpp's own default.
REPEAT_LAST_TOKENS: Final = 64
# Logits divided by less than this overflow a 32-bit float; sampling is greedy by then.
MIN_TEMPERATURE: Final = 1e-3
# From so many on, finding the candidates costs about as much as it saves.
_MAX_REACH: Final = 256
_MAX_ALTERED: Final = 512

Tokens = NDArray[np.int32]
_NO_TOKENS: Final = np.empty(0, np.int32)


def is_greedy(sampling: Sampling) -> bool:
    """Whether the likeliest token is wanted, and no draw."""
    return sampling.temperature < MIN_TEMPERATURE


@dataclass(eq=False)
class Shaping:
    """llama.cpp's samplers before the choice, and the candidates that they need.

    `links` are the samplers, which belong to the chain from then on. `reach` is how many of the
    likeliest tokens can be left after them, among those whose logits they do not change; None if
    all can. `alters` says whether they change any. `recent` and `used` are the tokens that the
    penalties look at.
    """

    links: InitVar[Sequence[Any]]
    reach: int | None
    alters: bool
    biased: frozenset[int]
    recent: deque[int] | None
    used: set[int] | None
    chain: Any = field(init=False)

    def __post_init__(self, links: Sequence[Any]) -> None:
        parameters = llama_cpp.llama_sampler_chain_default_params()
        parameters.no_perf = True
        self.chain = llama_cpp.llama_sampler_chain_init(parameters)
        for link in links:
            llama_cpp.llama_sampler_chain_add(self.chain, link)

    @classmethod
    def of(
        cls,
        sampling: Sampling,
        prompt: Sequence[int],
        committed: Sequence[int],
        *,
        vocabulary: int,
        context: int,
    ) -> "Shaping":
        """What this request asks for, after the committed tokens.

        A new parameter belongs here, and nowhere else in the engine.
        """
        links: list[Any] = []
        recent = used = None
        if sampling.logit_bias:
            links.append(_biases(sampling, vocabulary))
        if sampling.repeat_penalty != 1:
            recent = deque([*prompt, *committed], maxlen=REPEAT_LAST_TOKENS)
            repeat = llama_cpp.llama_sampler_init_penalties(
                vocabulary, REPEAT_LAST_TOKENS, sampling.repeat_penalty, 0, 0
            )
            links.append(_after(repeat, recent))
        if sampling.frequency_penalty or sampling.presence_penalty:
            used = set(committed)
            # No answer is longer than the context.
            counts = llama_cpp.llama_sampler_init_penalties(
                vocabulary, context, 1, sampling.frequency_penalty, sampling.presence_penalty
            )
            links.append(_after(counts, committed))
        return cls(
            links=[*links, *_cuts(sampling)],
            reach=_reach(sampling),
            alters=bool(links),
            biased=frozenset(item.token for item in sampling.logit_bias),
            recent=recent,
            used=used,
        )

    def apply(self, candidates: Candidates) -> None:
        """Change their logits, and leave out those that are cut off."""
        if len(candidates):  # with none, llama.cpp ends the process
            llama_cpp.llama_sampler_apply(self.chain, candidates.pointer)

    def took(self, token: int) -> None:
        """The answer has this token now."""
        if self.recent is not None:
            self.recent.append(token)
        if self.used is not None:
            self.used.add(token)
        if self.recent is not None or self.used is not None:
            llama_cpp.llama_sampler_accept(self.chain, token)

    @property
    def altered(self) -> Tokens:
        """The tokens whose logits it changes."""
        if not self.alters:
            return _NO_TOKENS
        tokens = {*self.biased, *(self.recent or ()), *(self.used or ())}
        return np.fromiter(tokens, np.int32, len(tokens))

    @property
    def narrow_reach(self) -> int | None:
        """The reach, unless looking at all tokens costs no more."""
        return None if len(self.used or ()) > _MAX_ALTERED else self.reach

    def end_with(self, choice: Any) -> None:
        """Let `apply` make the choice too, with this sampler, which belongs to the chain then."""
        llama_cpp.llama_sampler_chain_add(self.chain, choice)

    def close(self) -> None:
        """Give back the chain and all in it."""
        llama_cpp.llama_sampler_free(self.chain)


def narrowed(
    shapings: Sequence[Shaping], logits: Logits, rows: Sequence[int], reach: int
) -> list[tuple[Tokens, Logits]]:
    """The candidates of some rows of `logits`: for each row its shaping, all of that reach.

    A row without a possible token has none.
    """
    kept = {
        number: (tokens, logits[rows[number], tokens])
        for number, shaping in enumerate(shapings)
        if len(tokens := shaping.altered)
    }
    # These are candidates in any case, so the search is for others.
    for number, (tokens, _) in kept.items():
        logits[rows[number], tokens] = -np.inf
    found = likeliest(logits, rows, reach)
    for number, (tokens, values) in kept.items():
        logits[rows[number], tokens] = values
    return [
        _joined(found.of(number), kept[number]) if number in kept else found.of(number)
        for number in range(len(rows))
    ]


def _joined(one: tuple[Tokens, Logits], other: tuple[Tokens, Logits]) -> tuple[Tokens, Logits]:
    return np.concatenate((one[0], other[0])), np.concatenate((one[1], other[1]))


def _cuts(sampling: Sampling) -> list[Any]:
    """The samplers that leave out candidates, and the temperature."""
    if is_greedy(sampling):
        return [llama_cpp.llama_sampler_init_top_k(1)]
    cuts = []
    if sampling.top_k > 0:
        cuts.append(llama_cpp.llama_sampler_init_top_k(sampling.top_k))
    if sampling.top_p < 1:
        cuts.append(llama_cpp.llama_sampler_init_top_p(sampling.top_p, 1))
    if sampling.min_p > 0:
        cuts.append(llama_cpp.llama_sampler_init_min_p(sampling.min_p, 1))
    return [*cuts, llama_cpp.llama_sampler_init_temp(sampling.temperature)]


def _reach(sampling: Sampling) -> int | None:
    if is_greedy(sampling):
        return 1
    return sampling.top_k if 0 < sampling.top_k <= _MAX_REACH else None


def _biases(sampling: Sampling, vocabulary: int) -> Any:
    biases = (llama_cpp.llama_logit_bias * len(sampling.logit_bias))(
        *(llama_cpp.llama_logit_bias(item.token, item.bias) for item in sampling.logit_bias)
    )
    return llama_cpp.llama_sampler_init_logit_bias(vocabulary, len(biases), biases)


def _after(link: Any, seen: Sequence[int]) -> Any:
    """The link, after it has seen these tokens."""
    for token in seen:
        llama_cpp.llama_sampler_accept(link, token)
    return link
