"""A conversation longer than the context loses its oldest turns, and says so."""

from collections.abc import Sequence
from itertools import pairwise

import pytest

from aistratus_contracts.errors import JobErrorCode, NoticeCode
from aistratus_contracts.job import Message
from aistratus_contracts.states import Role
from aistratus_daemon.engine.prompt import Prompt, fit
from aistratus_daemon.errors import RequestRefused

SYSTEM = Message(Role.SYSTEM, "s" * 10)


def said(turns: int) -> list[Message]:
    messages = []
    for number in range(turns):
        messages += [Message(Role.USER, f"{number}" * 10), Message(Role.ASSISTANT, "a" * 10)]
    return messages[:-1]


def one_token_a_letter(messages: Sequence[Message]) -> list[int]:
    return [ord(letter) for item in messages for letter in item.content]


def fitted(messages: list[Message], context: int, max_tokens: int, left_out: int = 0) -> Prompt:
    return fit(
        messages,
        context=context,
        max_tokens=max_tokens,
        left_out=left_out,
        tokenize=one_token_a_letter,
        count=len,
    )


def test_what_fits_is_left_alone() -> None:
    prompt = fitted([SYSTEM, *said(3)], context=100, max_tokens=40)
    assert len(prompt.tokens) == 60
    assert prompt.notice is None


def test_the_oldest_turn_goes_first_and_the_system_message_stays() -> None:
    prompt = fitted([SYSTEM, *said(3)], context=100, max_tokens=41)
    text = "".join(map(chr, prompt.tokens))
    assert text == "s" * 10 + "1" * 10 + "a" * 10 + "2" * 10
    assert prompt.notice is not None
    assert prompt.notice.code is NoticeCode.TURNS_LEFT_OUT
    assert prompt.notice.message.startswith("The oldest turn was left out")


def test_as_many_turns_go_as_must() -> None:
    prompt = fitted(said(10), context=64, max_tokens=20)
    assert len(prompt.tokens) == 30
    assert prompt.notice is not None
    assert "8 oldest turns were" in prompt.notice.message


def test_turns_go_in_blocks_so_that_most_turns_find_their_beginning_as_it_was() -> None:
    prompts = [fitted(said(turns), context=300, max_tokens=40) for turns in range(13, 30)]
    kept = [
        before.tokens == after.tokens[: len(before.tokens)] for before, after in pairwise(prompts)
    ]
    assert kept.count(False) == 4
    assert all(len(prompt.tokens) + 40 <= 300 for prompt in prompts)
    assert all(len(prompt.tokens) + 40 >= 150 for prompt in prompts)


def test_long_turns_go_one_by_one() -> None:
    prompt = fitted(said(5), context=80, max_tokens=20)
    assert len(prompt.tokens) == 50
    assert prompt.notice is not None
    assert "2 oldest turns were" in prompt.notice.message


def test_the_last_turn_stays_even_if_it_leaves_less_room_for_the_answer() -> None:
    assert len(fitted(said(1), context=12, max_tokens=8).tokens) == 10


def test_a_last_turn_that_leaves_no_room_is_refused_with_the_numbers() -> None:
    with pytest.raises(RequestRefused, match=r"takes 10 tokens.*at most 9") as refused:
        fitted(said(1), context=10, max_tokens=1)
    assert refused.value.code is JobErrorCode.PROMPT_TOO_LONG


def test_turns_that_the_caller_left_out_are_counted() -> None:
    prompt = fitted(said(1), context=100, max_tokens=8, left_out=3)
    assert prompt.notice is not None
    assert "3 oldest turns were" in prompt.notice.message
