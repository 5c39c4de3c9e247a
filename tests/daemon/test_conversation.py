"""What the model gets to read of the turns before."""

from datetime import UTC, datetime

import pytest

from aistratus_contracts.job import Message
from aistratus_contracts.states import JobState, Role
from aistratus_contracts.table import Answer, Turn
from aistratus_daemon.worker import conversation

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SYSTEM = Message(Role.SYSTEM, "Be brief.")


def user(text: str) -> Message:
    return Message(Role.USER, text)


def turn(number: int, answer: Answer | None, *messages: Message) -> Turn:
    return Turn(number, f"job-{number}", messages, NOW, answer)


def said(turns: list[Turn]) -> list[str]:
    messages, _ = conversation.messages_for(turns)
    return [item.content for item in messages]


def test_answers_stand_between_the_questions() -> None:
    turns = [
        turn(1, Answer(JobState.SUCCEEDED, "A1"), SYSTEM, user("Q1")),
        turn(2, Answer(JobState.CANCELLED, "A2, cut"), user("Q2")),
        turn(3, None, user("Q3")),
    ]
    assert said(turns) == ["Be brief.", "Q1", "A1", "Q2", "A2, cut", "Q3"]


@pytest.mark.parametrize("answer", [Answer(JobState.FAILED, ""), None])
def test_a_question_without_any_answer_is_left_out_but_not_its_system_message(
    answer: Answer | None,
) -> None:
    turns = [turn(1, answer, SYSTEM, user("Q1")), turn(2, None, user("Q2"))]
    assert said(turns) == ["Be brief.", "Q2"]


def test_history_that_fits_no_model_stays_behind_and_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conversation, "MAX_HISTORY_BYTES", 24)
    turns = [
        turn(1, Answer(JobState.SUCCEEDED, "a" * 10), SYSTEM, user("b" * 10)),
        turn(2, Answer(JobState.SUCCEEDED, "c" * 10), user("d" * 10)),
        turn(3, None, user("Q")),
    ]
    messages, left_out = conversation.messages_for(turns)
    assert [item.content for item in messages] == ["Be brief.", "d" * 10, "c" * 10, "Q"]
    assert left_out == 1
