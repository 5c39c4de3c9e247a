"""What the model gets to read of the turns before."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from aistratus_contracts.codec import text_bytes
from aistratus_contracts.job import Message
from aistratus_contracts.states import JobState, Role
from aistratus_contracts.table import Answer, Turn
from aistratus_daemon.worker import conversation
from aistratus_daemon.worker.conversation import Due, history_bytes, messages_for, next_due

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SYSTEM = Message(Role.SYSTEM, "Be brief.")
ROOM = 10_000


def user(text: str) -> Message:
    return Message(Role.USER, text)


def turn(number: int, answer: Answer | None, *messages: Message) -> Turn:
    return Turn(number, f"job-{number}", messages, NOW, answer)


def succeeded(text: str = "A") -> Answer:
    return Answer(JobState.SUCCEEDED, text)


CANCELLED = Answer(JobState.CANCELLED, "")


def due_of(turns: list[Turn], room: int = ROOM) -> Due:
    due = next_due(reversed(turns), room)
    assert due is not None
    return due


def said(turns: list[Turn], room: int = ROOM) -> list[str]:
    return [item.content for item in messages_for(due_of(turns, room))]


def test_answers_stand_between_the_questions() -> None:
    turns = [
        turn(1, Answer(JobState.SUCCEEDED, "A1"), SYSTEM, user("Q1")),
        turn(2, Answer(JobState.CANCELLED, "A2, cut"), user("Q2")),
        turn(3, None, user("Q3")),
    ]
    assert said(turns) == ["Be brief.", "Q1", "A1", "Q2", "A2, cut", "Q3"]


@pytest.mark.parametrize("answer", [Answer(JobState.FAILED, ""), CANCELLED])
def test_a_question_without_any_answer_is_left_out_but_not_its_system_message(
    answer: Answer,
) -> None:
    turns = [turn(1, answer, SYSTEM, user("Q1")), turn(2, None, user("Q2"))]
    assert said(turns) == ["Be brief.", "Q2"]


def test_history_that_fits_no_model_stays_behind_and_is_counted() -> None:
    turns = [
        turn(1, succeeded("a" * 10), SYSTEM, user("b" * 10)),
        turn(2, succeeded("c" * 10), user("d" * 10)),
        turn(3, None, user("Q")),
    ]
    due = due_of(turns, room=24)
    assert due.left_out == 1
    messages = [item.content for item in messages_for(due, turns[0])]
    assert messages == ["Be brief.", "d" * 10, "c" * 10, "Q"]


def test_history_is_measured_as_it_is_sent() -> None:
    """Six bytes for each of these, where one was counted: a frame of 18 MB where 16 may be sent."""
    turns = [turn(1, succeeded(), user("\x01" * 10)), turn(2, None, user("Q"))]
    assert text_bytes("\x01" * 10) == 60
    assert due_of(turns, room=60).left_out == 1
    assert due_of(turns, room=61).left_out == 0


def test_the_first_open_turn_is_due_whichever_was_asked_for() -> None:
    turns = [
        turn(1, succeeded(), user("Q1")),
        turn(2, None, user("Q2")),
        turn(3, CANCELLED, user("Q3")),
        turn(4, None, user("Q4")),
    ]
    assert due_of(turns).turn.turn == 2
    assert said(turns) == ["Q1", "A", "Q2"]


def test_a_turn_whose_job_is_gone_waits_for_nobody() -> None:
    turns = [turn(1, None, user("Q1")), turn(2, None, user("Q2"))]
    due = next_due(reversed(turns), ROOM, orphans={1})
    assert due is not None
    assert due.turn.turn == 2
    assert next_due(reversed(turns), ROOM, orphans={1, 2}) is None


def test_no_more_is_read_than_can_be_used() -> None:
    """The turns are taken one by one, and the last ones are enough."""
    taken = []

    def backwards() -> Iterator[Turn]:
        for number in range(1000, 0, -1):
            taken.append(number)
            yield turn(number, None if number == 1000 else succeeded("a" * 99), user("b"))

    due = next_due(backwards(), history_bytes(100))
    assert due is not None
    assert [item.turn for item in due.earlier] == list(range(968, 1000))
    assert due.left_out == 967
    assert taken == list(range(1000, 966, -1))


def test_what_says_nothing_is_passed_over_but_not_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conversation, "MAX_READ_BYTES", 1000)
    early = turn(1, succeeded(), user("Q1"))
    silent = [turn(n, CANCELLED, user("b" * 100)) for n in range(3, 33)]
    last = [turn(33, succeeded("A33"), user("Q33")), turn(34, None, user("Q34"))]
    few = [early, turn(2, CANCELLED, user("b" * 100)), *last]
    assert said(few) == ["Q1", "A", "Q33", "A33", "Q34"]
    assert said([early, *silent, *last]) == ["Q33", "A33", "Q34"]


def test_an_open_turn_behind_many_that_were_cancelled_is_still_found() -> None:
    """Nothing among them says that a worker had come so far."""
    silent = [turn(n, CANCELLED, user("b" * 100_000)) for n in range(2, 72)]
    turns = [turn(1, None, user("Q1")), *silent, turn(72, None, user("Q72"))]
    assert due_of(turns).turn.turn == 1


def test_what_is_known_to_have_ended_is_not_looked_at_for_open_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conversation, "MAX_READ_BYTES", 1000)
    taken = []

    def backwards() -> Iterator[Turn]:
        for number in range(1000, 0, -1):
            taken.append(number)
            yield turn(number, None if number == 1000 else CANCELLED, user("b" * 100))

    due = next_due(backwards(), ROOM, ended_up_to=999)
    assert due is not None
    assert due.turn.turn == 1000
    assert len(taken) < 20


def test_a_large_context_reads_more_but_never_more_than_a_frame_holds() -> None:
    assert history_bytes(2048) == 65_536
    assert history_bytes(10**6) == conversation.MAX_HISTORY_BYTES
