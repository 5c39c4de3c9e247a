"""Who is computed when: nobody is kept waiting for somebody else's long prompt."""

import pytest

from aistratus_contracts.job import Sampling
from aistratus_contracts.states import FinishReason
from aistratus_daemon.engine.llama import Llama
from aistratus_daemon.engine.pace import CHUNK_ROWS, MIN_SPLIT_ROWS, RETRY_STEPS, Pace
from aistratus_daemon.frames import Done
from support.engine_process import greedy
from support.inner_engine import InnerEngine, InnerForms

QUESTION = "What is Aistratus?"
LONG = "Tell me about the whole journey of a prompt. " * 40


def steps_until_text(inner: InnerEngine, job_id: str) -> int:
    steps = 0
    while not inner.of(job_id).text:
        inner.scheduler.step()
        steps += 1
    return steps


def test_a_short_prompt_does_not_wait_for_a_long_one(inner: InnerEngine) -> None:
    inner.ask("long", LONG, greedy(5))
    inner.scheduler.step()
    inner.ask("short", QUESTION, greedy(5))
    assert steps_until_text(inner, "short") == 1
    assert not inner.of("long").text


def test_a_long_prompt_is_read_while_short_ones_keep_coming(inner: InnerEngine) -> None:
    inner.ask("long", LONG, greedy(5))
    number = 0
    while not inner.of("long").text:
        number += 1
        assert number < 100
        inner.ask(f"short-{number}", f"{number} {QUESTION}", greedy(1))
        inner.scheduler.step()
    assert number > 5


def test_a_running_answer_gets_its_token_in_every_step_beside_a_long_prompt(
    inner: InnerEngine,
) -> None:
    inner.ask("running", QUESTION, greedy(30))
    steps_until_text(inner, "running")
    inner.ask("long", LONG, greedy(5))
    for count in range(2, 8):
        inner.scheduler.step()
        inner.scheduler._unsent.flush(0.0)
        assert len(inner.of("running").ids) == count
    assert not inner.of("long").text


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_a_cancel_in_queue_prompt_or_answer_takes_effect_before_the_next_step(
    inner: InnerEngine, steps: int
) -> None:
    text, most = (QUESTION, 40) if steps == 3 else (LONG, 40)
    inner.ask("job", text, greedy(most))
    for _ in range(steps):
        inner.scheduler.step()
    computed = inner.scheduler.stats().n_decode_total
    inner.scheduler.cancel("job")
    assert inner.of("job").done.finish_reason is FinishReason.CANCELLED
    inner.scheduler.step()
    assert inner.scheduler.stats().n_decode_total == computed
    assert inner.scheduler.is_idle


def test_an_interrupted_computation_leaves_no_trace(llama: Llama, forms: InnerForms) -> None:
    tokens = llama.vocabulary.tokenize(QUESTION)
    llama.forget(0)
    whole = llama.decode_prompt(tokens, 0, 0, wants_logits=True)
    assert whole is not None
    expected = whole.copy()
    llama.forget(0)
    llama.interrupt_when(lambda: True)
    assert llama.decode_prompt(tokens, 0, 0, wants_logits=True) is None
    llama.interrupt_when(None)
    again = llama.decode_prompt(tokens, 0, 0, wants_logits=True)
    assert again is not None
    assert (again == expected).all()
    llama.forget(0)


def test_news_interrupts_a_long_chunk_once_and_the_prompt_is_read_all_the_same(
    llama: Llama, forms: InnerForms, caplog: pytest.LogCaptureFixture
) -> None:
    asked = []

    def has_news() -> bool:
        asked.append(1)
        return True

    engine = InnerEngine(llama, forms, {"has_news": has_news})
    expected = InnerEngine(llama, forms).answer(LONG, greedy(8))
    engine.scheduler._pace.prompt_rate = 1.0  # so slow that every chunk is worth interrupting
    engine.ask("long", LONG, greedy(8))
    engine.scheduler.step()
    assert engine.scheduler.stats().n_decode_total == 0
    assert asked
    engine.run()
    assert engine.of("long").ids == expected.ids
    assert not caplog.records


def test_what_is_counted(inner: InnerEngine) -> None:
    inner.ask("a", QUESTION, greedy(4))
    inner.ask("b", "Hello", Sampling(3, 1.0))
    inner.run()
    stats = inner.scheduler.stats()
    ends = [heard.end for heard in inner.heard.values()]
    usages = [end.usage for end in ends if isinstance(end, Done)]
    assert stats.tokens_predicted_total == sum(usage.completion_tokens for usage in usages)
    assert stats.prompt_tokens_total == sum(usage.prompt_tokens for usage in usages)
    assert stats.time_to_first_token_seconds_count == 2
    assert stats.requests_processing == stats.requests_deferred == 0
    assert 1 <= stats.n_busy_slots_per_decode <= 2
    assert 0 < stats.kv_cache_usage_ratio < 1
    assert stats.kv_cache_tokens > 0


def test_a_chunk_is_as_long_as_others_may_be_kept_waiting() -> None:
    pace = Pace(batch_tokens=512)
    assert pace.chunk(2000, beside_answers=True) == CHUNK_ROWS
    pace.took_prompt(64, 0.2)  # 320 tokens a second
    assert pace.chunk(2000, beside_answers=True) == 128
    assert pace.chunk(2000, beside_answers=False) == 384
    pace.took_prompt(512, 0.001)
    assert pace.chunk(2000, beside_answers=True) == 512


@pytest.mark.parametrize("missing", [1, 16, 64, 80])
def test_what_is_hardly_more_than_a_chunk_is_one(missing: int) -> None:
    assert Pace(batch_tokens=512).chunk(missing, beside_answers=True) == missing


@pytest.mark.parametrize(("whole", "halves", "splits"), [(0.128, 0.118, True), (0.1, 0.2, False)])
def test_answers_are_computed_the_way_that_was_faster(
    whole: float, halves: float, splits: bool
) -> None:
    pace = Pace(batch_tokens=512)
    chosen = []
    for _ in range(RETRY_STEPS):
        is_split = pace.is_split(8)
        pace.took_rows(8, halves if is_split else whole, is_split=is_split)
        chosen.append(is_split)
    assert set(chosen[16:]) == {splits}


def test_few_answers_are_computed_together() -> None:
    pace = Pace(batch_tokens=512)
    assert not any(pace.is_split(MIN_SPLIT_ROWS - 1) for _ in range(100))
