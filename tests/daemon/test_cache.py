"""What is computed once is not computed again, and never for somebody else."""

import random

import numpy as np
import pytest

from aistratus_contracts.job import Message
from aistratus_contracts.states import Role
from aistratus_daemon.engine.generation import Slot, choose_slot, common_prefix
from aistratus_daemon.engine.llama import Llama
from aistratus_daemon.engine.parked import Parked, ParkingLot
from support.engine_process import greedy, user
from support.inner_engine import InnerEngine, InnerForms

QUESTION = "What is Aistratus?"
LONG = "Tell me about the whole journey of a prompt. " * 8


def next_turn(before: str, answer: str, question: str) -> tuple[Message, ...]:
    return (*user(before), Message(Role.ASSISTANT, answer), Message(Role.USER, question))


def test_a_conversation_that_lost_its_slot_comes_back_computed(inner: InnerEngine) -> None:
    first = inner.answer(LONG, greedy(20), cache_key="one/a")
    for number in range(inner.llama.slots):
        inner.answer(f"{number} {LONG}", greedy(20), cache_key=f"other/{number}")
    messages = next_turn(LONG, first.text, QUESTION)
    again = inner.answer(messages, greedy(20), cache_key="one/a")
    assert again.done.usage.cached_tokens >= first.done.usage.prompt_tokens
    cold = inner.answer(messages, greedy(20), cache_key="cold/a")
    assert cold.done.usage.cached_tokens == 0
    assert again.ids == cold.ids


def test_a_parked_conversation_is_its_owners_alone(inner: InnerEngine) -> None:
    inner.answer(LONG, greedy(5), cache_key="one/a")
    for number in range(inner.llama.slots):
        inner.answer(f"{number} {LONG}", greedy(5), cache_key=f"other/{number}")
    assert inner.answer(LONG, greedy(5), cache_key="two/a").done.usage.cached_tokens == 0


def test_the_operators_system_prompt_is_computed_once_for_all(
    llama: Llama, forms: InnerForms
) -> None:
    opening = "You answer questions about Aistratus, briefly and truthfully. " * 4
    engine = InnerEngine(llama, forms, {"system_prompt": opening})
    shared = [engine.answer(f"{number} {QUESTION}", greedy(10)) for number in range(6)]
    assert all(heard.done.usage.cached_tokens > 32 for heard in shared)
    explicit = (Message(Role.SYSTEM, opening), Message(Role.USER, f"0 {QUESTION}"))
    plain = InnerEngine(llama, forms).answer(explicit, greedy(10))
    assert plain.done.usage.prompt_tokens == shared[0].done.usage.prompt_tokens
    assert plain.done.usage.cached_tokens == 0
    assert plain.ids == shared[0].ids


def test_a_conversation_with_a_system_message_of_its_own_shares_nothing(
    llama: Llama, forms: InnerForms
) -> None:
    opening = "You answer questions about Aistratus, briefly and truthfully. " * 4
    engine = InnerEngine(llama, forms, {"system_prompt": opening})
    own = (Message(Role.SYSTEM, "You are somebody else. " * 20), Message(Role.USER, QUESTION))
    assert engine.answer(own, greedy(5)).done.usage.cached_tokens < 32


def test_an_answer_goes_on_when_its_sequence_moves(inner: InnerEngine) -> None:
    alone = inner.answer(LONG, greedy(60), cache_key="alone/x")
    jobs = [f"run-{number}" for number in range(inner.llama.slots)]
    for number, job in enumerate(jobs):
        inner.ask(job, LONG, greedy(60 if number % 2 else 3 + number))
    inner.run()
    assert inner.of("run-1").ids == alone.ids
    assert inner.of("run-3").ids == alone.ids


def test_no_secret_of_one_user_ever_shows_in_anothers_answer(inner: InnerEngine) -> None:
    # Thousands of prompts, each with a secret, a few users, slots and parked states in turn:
    # the same question must always be answered as it is in an engine that knows no secrets.
    chance = random.Random(7)  # noqa: S311 - a test that repeats
    questions = ["Hello", QUESTION, "What is the worker?", "Who are you?"]
    expected = {
        text: inner.answer(text, greedy(6), cache_key=f"clean/{text}").ids for text in questions
    }
    secrets = [f"{chance.randrange(10**9):09d}" for _ in range(40)]
    asked: dict[str, str] = {}
    for number in range(3000):
        user_id = chance.randrange(40)
        if number % 3:
            text = f"My secret is {secrets[user_id]}. " * chance.choice([1, 8])
        else:
            text = asked[f"ask-{number}"] = chance.choice(questions)
        key = f"user-{user_id}/{text if number % 3 == 0 else 'secret'}"
        inner.ask(f"ask-{number}", text, greedy(6), cache_key=key)
        if number % 7 == 0:
            inner.run()
    inner.run()
    for job, text in asked.items():
        assert inner.of(job).ids == expected[text]
    for job, heard in inner.heard.items():
        if job in asked:
            assert not any(secret in heard.text for secret in secrets)


@pytest.mark.parametrize(
    ("held", "prompt", "shared"),
    [
        ([], [1, 2], 0),
        ([1, 2], [1, 2, 3], 2),
        ([1, 2, 3], [1, 2, 3], 2),  # one is always computed again
        ([1, 9, 3], [1, 2, 3], 1),
        ([7], [1, 2], 0),
        ([1, 2, 3, 4], [1], 0),
    ],
)
def test_what_is_held_already_is_counted(held: list[int], prompt: list[int], shared: int) -> None:
    assert common_prefix(held, prompt) == shared


def test_a_conversation_gets_its_own_slot_then_an_empty_one_then_the_longest_unused() -> None:
    slots = [Slot(0, "a", used_at=5), Slot(1, "b", used_at=3), Slot(2), Slot(3)]
    assert choose_slot(slots, "b") is slots[1]
    assert choose_slot(slots, "c") is slots[2]
    assert choose_slot(slots[:2], "c") is slots[1]


def test_the_parking_lot_keeps_its_bound_and_the_latest() -> None:
    lot = ParkingLot(limit_bytes=100)
    for name in "abc":
        lot.put(name, Parked((1,), np.zeros(40, np.uint8)))
    assert lot.look("a") is None
    assert lot.look("b") is not None
    assert lot.used_bytes == 80
    lot.put("huge", Parked((1,), np.zeros(101, np.uint8)))
    assert lot.look("huge") is None
    assert lot.take("c") is not None
    assert lot.used_bytes == 40
