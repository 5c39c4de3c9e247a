"""Looking at few candidates changes no pick."""

import numpy as np
import pytest

from aistratus_contracts.job import LogitBias, Sampling
from aistratus_daemon.engine.candidates import Candidates, likeliest
from aistratus_daemon.engine.llama import Llama, Logits
from aistratus_daemon.engine.picks import LEAST_TOGETHER, Picks
from aistratus_daemon.engine.sampling import ChainSampler, Sampler, new_sampler

STEPS = 12


def some_logits(rows: int, vocabulary: int, seed: int) -> Logits:
    return np.random.default_rng(seed).standard_normal((rows, vocabulary), dtype=np.float32) * 3


@pytest.mark.parametrize("vocabulary", [1, 15, 16, 17, 600, 1000, 32_000, 50_257])
@pytest.mark.parametrize("count", [1, 40, 256])
def test_no_likely_token_is_overlooked(vocabulary: int, count: int) -> None:
    logits = some_logits(6, vocabulary, seed=vocabulary)
    logits[1] = 0  # all are equal
    logits[2, ::3] = -np.inf
    logits[3] = -np.inf
    logits[4] = np.round(logits[4])
    rows = [4, 0, 2, 3, 1]
    found = likeliest(logits, rows, count)
    for number, row in enumerate(rows):
        tokens, values = found.of(number)
        assert values.tolist() == logits[row, tokens].tolist()
        assert len(set(tokens.tolist())) == len(tokens)
        possible = np.sort(logits[row][np.isfinite(logits[row])])[::-1]
        best = possible[:count]
        assert np.sort(values)[::-1][: len(best)].tolist() == best.tolist()
        assert np.isfinite(values).all()


def test_few_candidates_are_looked_at() -> None:
    found = likeliest(some_logits(4, 32_000, seed=1), range(4), 40)
    assert found.bounds[-1] < 4 * 50


BIASES = tuple(LogitBias(token, bias) for token, bias in ((7, 9.0), (8, -100.0), (300, 4.0)))
PENALTIES = {"repeat_penalty": 1.3, "frequency_penalty": 0.7, "presence_penalty": -0.4}
REQUESTS = {
    "greedy": Sampling(9, 0.0),
    "greedy, repeating less": Sampling(9, 0.0, repeat_penalty=1.5),
    "greedy, repeating more": Sampling(9, 0.0, repeat_penalty=0.5),
    "greedy, biased": Sampling(9, 0.0, logit_bias=BIASES),
    "as usual": Sampling(9, 0.8, seed=1),
    "with penalties": Sampling(9, 0.8, seed=2, **PENALTIES),  # type: ignore[arg-type]
    "hot and biased": Sampling(9, 2.0, seed=3, top_p=1.0, min_p=0.0, logit_bias=BIASES),
    "few": Sampling(9, 1.0, seed=4, top_k=1),
    "many": Sampling(9, 1.5, seed=5, top_k=200, top_p=1.0, min_p=0.0),
    "more than are searched for": Sampling(9, 1.5, seed=6, top_k=900, min_p=0.0),
    "all": Sampling(9, 1.5, seed=7, top_k=0, top_p=1.0, min_p=0.0),
    "all, with penalties": Sampling(9, 1.5, seed=8, top_k=0, **PENALTIES),  # type: ignore[arg-type]
}


def from_all_tokens(sampler: Sampler, row: Logits, room: Candidates) -> int | None:
    """What llama.cpp's samplers choose if they look at each token."""
    if not isinstance(sampler, ChainSampler):
        return int(row.argmax())
    room.fill(row)
    return sampler.pick_from(room)


def test_each_pick_is_the_one_that_llama_cpp_makes_among_all_tokens(llama: Llama) -> None:
    size = llama.vocabulary.size
    prompt, committed = list(range(200, 290)), [7, 7, 30, 31]
    requests = [each for each in REQUESTS.values() for _ in range(LEAST_TOGETHER)]
    these, those = (
        [
            new_sampler(llama, each, (each.seed or 0) + place, prompt, committed)
            for place, each in enumerate(requests)
        ]
        for _ in range(2)
    )
    picks, room = Picks(size), Candidates(size)
    for step in range(STEPS):
        logits = some_logits(len(requests), size, seed=step)
        before = logits.copy()
        expected = [
            from_all_tokens(sampler, row, room) for sampler, row in zip(those, logits, strict=True)
        ]
        found = picks.of_all(these, logits)
        picked = zip(requests, found, expected, strict=True)
        assert not [request for request, one, other in picked if one != other]
        assert (logits == before).all()
    for sampler in (*these, *those):
        sampler.close()


def test_one_pick_alone_is_the_one_beside_many(llama: Llama) -> None:
    size = llama.vocabulary.size
    wanted = REQUESTS["with penalties"]
    one, other = (new_sampler(llama, wanted, 2, [1, 2, 3], []) for _ in range(2))
    picks = Picks(size)
    beside = [new_sampler(llama, Sampling(9, 0.8), seed, [1, 2, 3], []) for seed in range(40)]
    for step in range(STEPS):
        logits = some_logits(41, size, seed=100 + step)
        assert picks.of_all([*beside, one], logits)[-1] == picks.one(other, logits[-1])
    for sampler in (one, other, *beside):
        sampler.close()


def test_a_row_without_a_possible_token_ends_its_answer_alone(llama: Llama) -> None:
    size = llama.vocabulary.size
    seeds = range(LEAST_TOGETHER)
    samplers = [new_sampler(llama, Sampling(9, 0.8), seed, [1], []) for seed in seeds]
    logits = some_logits(LEAST_TOGETHER, size, seed=1)
    logits[0] = np.nan
    first, *others = Picks(size).of_all(samplers, logits)
    assert first is None
    assert None not in others
    for sampler in samplers:
        sampler.close()
