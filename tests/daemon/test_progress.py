"""How much an answer may be, and in what pieces it is stored."""

from datetime import UTC, datetime

import pytest

from aistratus_contracts import table
from aistratus_contracts.codec import text_bytes
from aistratus_contracts.event import Delta, Event
from aistratus_contracts.job import Job, Message, Sampling
from aistratus_contracts.limits import MAX_ANSWER_BYTES, MAX_BODY_BYTES, MAX_DELTA_BYTES
from aistratus_contracts.states import JobState, Role
from aistratus_contracts.table import Answer, Item
from aistratus_daemon.frames import NewTokens
from aistratus_daemon.worker.progress import AnswerProgress

# What DynamoDB takes in one item, names and all.
ITEM_BYTES = 400 * 1024
NOW = datetime(2026, 11, 23, tzinfo=UTC)
JOB = Job("job-1", "o" * 100, "conv", 1, "m", NOW, table.expiry_of(NOW), Sampling(5, 0.0))


def size_of(item: Item) -> int:
    """As DynamoDB counts: names and values, a text in UTF-8."""
    return sum(
        len(name) + len(str(value).encode())
        for name, typed in item.items()
        for value in typed.values()
    )


def tokens(text: str, *ids: int) -> NewTokens:
    return NewTokens("job-1", ids, text)


@pytest.mark.parametrize("letter", ["a", '"', "\x01", "\\", "é", "🙂", "\u2028", "\x7f"])
def test_a_text_is_measured_as_it_is_stored(letter: str) -> None:
    answer = table.answer_item(JOB, Answer(JobState.SUCCEEDED, letter * 1000))
    empty = table.answer_item(JOB, Answer(JobState.SUCCEEDED, ""))
    assert size_of(answer) - size_of(empty) == text_bytes(letter * 1000)


@pytest.mark.parametrize("letter", ["a", '"', "\x01", "🙂"])
def test_the_longest_answer_fits_its_item(letter: str) -> None:
    """320 KiB of quotes were 655 KB of item, and the job could never end."""
    progress = AnswerProgress()
    piece = letter * 1024
    while not progress.is_full:
        progress.add(tokens(piece, 7))
    progress.add(tokens("after the end", 8))
    text = progress.whole_text
    assert MAX_ANSWER_BYTES - text_bytes(piece) <= text_bytes(text) <= MAX_ANSWER_BYTES
    assert "after" not in text
    assert size_of(table.answer_item(JOB, Answer(JobState.SUCCEEDED, text))) < ITEM_BYTES
    events = progress.pending()
    assert len(events) == 2
    for number, event in enumerate(events):
        item = table.event_item(JOB, Event(number + 1, 1, NOW, event))
        assert size_of(item) < MAX_DELTA_BYTES + 1000 < ITEM_BYTES


def test_the_longest_prompt_fits_its_item() -> None:
    """What comes escaped is stored no longer than it came."""
    for letter, came in (("\x01", 6), ("a", 1), ('"', 2), ("é", 2), ("🙂", 4)):
        messages = (Message(Role.USER, letter * (MAX_BODY_BYTES // came)),)
        assert size_of(table.prompt_item(JOB, messages)) < MAX_BODY_BYTES + 1000 < ITEM_BYTES


def test_what_waits_is_committed_as_one_event_and_read_back() -> None:
    progress = AnswerProgress()
    progress.add(tokens("a", 1))
    progress.add(tokens("bc", 2, 3))
    assert progress.reached == 3
    assert progress.pending() == [Delta("abc", (1, 2, 3))]
    progress.commit()
    assert progress.pending() == []
    assert (progress.text, progress.token_ids) == ("abc", [1, 2, 3])
    again = AnswerProgress.from_events([Event(1, 1, NOW, Delta("abc", (1, 2, 3)))])
    assert (again.text, again.token_ids, again.is_full) == ("abc", [1, 2, 3], False)


def test_tokens_without_text_and_text_without_tokens_are_kept() -> None:
    progress = AnswerProgress()
    progress.add(tokens("", 1))
    assert progress.pending() == [Delta("", (1,))]
    progress.discard()
    assert progress.pending() == []
    progress.add(tokens("x"))
    assert progress.pending() == [Delta("x", ())]
    progress.discard()
    progress.add(tokens(""))
    assert progress.pending() == []
