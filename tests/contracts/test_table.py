"""The table's keys and items, and the transaction that everything rests on."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistratus_contracts import table
from aistratus_contracts.event import Delta, Event, EventBody, StateChange, Usage
from aistratus_contracts.job import Cursor, Job, Message, Sampling, decode_job, encode_job
from aistratus_contracts.limits import MAX_TITLE_CHARS
from aistratus_contracts.states import FinishReason, JobState, Role

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
JOB = Job(
    job_id="job-a",
    owner="ann",
    conversation_id="conv-b",
    turn=3,
    model="tinyllama",
    sampling=Sampling(max_tokens=5, temperature=0.0),
    created_at=NOW,
    expires_at=table.expiry_of(NOW),
)
RECORD = table.JobRecord(JOB, Cursor(JobState.RUNNING, attempt=2, next_seq=7))


def test_a_job_comes_back_from_its_item() -> None:
    asked_to_stop = replace(RECORD, cursor=replace(RECORD.cursor, cancel_requested=True))
    assert table.read_meta(table.meta_item(RECORD)) == RECORD
    assert table.read_meta(table.meta_item(asked_to_stop)) == asked_to_stop


def test_a_long_job_comes_back_from_two_items() -> None:
    long = replace(JOB, sampling=replace(JOB.sampling, stop=("é" * 1000,)))
    record = replace(RECORD, job=long)
    meta, document = table.job_items(record)
    assert table.read_meta(meta) == table.JobRecord(long.head, record.cursor)
    assert table.read_document(document) == long
    assert document["sk"]["S"] < table.event_sort_key(0) < meta["sk"]["S"]
    with pytest.raises(TypeError, match="Only the head of job job-a is known"):
        table.meta_item(table.read_meta(meta))


def test_an_event_comes_back_from_its_item_and_is_told_from_the_job() -> None:
    event = Event(4, 1, NOW, Delta("naïve", (1, 2)))
    assert table.read_event(table.event_item(JOB, event)) == event
    assert table.is_event(table.event_item(JOB, event))
    assert not table.is_event(table.meta_item(RECORD))


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_events_sort_as_their_numbers_and_before_the_job(one: int, two: int) -> None:
    keys = table.event_sort_key(one), table.event_sort_key(two)
    assert (keys[0] < keys[1]) == (one < two)
    assert max(keys) < table.META


def test_turns_come_back_in_order_with_their_answers() -> None:
    said = (Message(Role.USER, "Hello 🙂"),)
    items = []
    for number in (1, 2, 10):
        job = replace(JOB, turn=number, job_id=f"job-{number}")
        items.append(table.prompt_item(job, said))
        if number != 10:
            items.append(table.answer_item(job, table.Answer(JobState.SUCCEEDED, f"A{number}")))
    items.sort(key=lambda item: item["sk"]["S"])
    turns = table.read_turns(items)
    assert [turn.turn for turn in turns] == [1, 2, 10]
    assert [turn.answer.text if turn.answer else None for turn in turns] == ["A1", "A2", None]
    assert turns[2].messages == said


def test_a_conversation_s_head_comes_back_from_its_item() -> None:
    head = table.ConversationHead("conv-b", "Hello", NOW, NOW + timedelta(hours=1), 3)
    assert table.read_head(table.head_item("ann", head)) == head


def test_a_worker_s_sign_of_life_comes_back_from_its_item() -> None:
    sign = table.SignOfLife("i-0abc-1", NOW, 16, 3, {"tokens_predicted_total": 12, "ratio": 0.25})
    assert table.read_worker(table.worker_item(sign)) == sign
    quiet = table.SignOfLife("i-0abc-1", NOW, 0, 0)
    assert table.read_worker(table.worker_item(quiet)) == quiet


def test_a_worker_that_is_seen_no_more_is_forgotten_after_a_day() -> None:
    item = table.worker_item(table.SignOfLife("w", NOW, 1, 0))
    assert item["expires_at"] == {"N": str(int((NOW + timedelta(days=1)).timestamp()))}


def test_all_workers_are_found_with_one_query() -> None:
    items = [table.worker_item(table.SignOfLife(name, NOW, 1, 0)) for name in ("a", "b")]
    assert {item["pk"]["S"] for item in items} == {"FLEET"}
    assert [item["sk"]["S"] for item in items] == ["WORKER#a", "WORKER#b"]


def test_everything_of_a_user_lies_under_the_user() -> None:
    items = [
        table.prompt_item(JOB, ()),
        table.answer_item(JOB, table.Answer(JobState.FAILED, "")),
        table.head_item("ann", table.ConversationHead("conv-b", "", NOW, NOW, 1)),
    ]
    assert {item["pk"]["S"] for item in items} == {"USER#ann"}


def test_a_title_is_the_first_thing_said_on_one_line() -> None:
    system = Message(Role.SYSTEM, "Be brief.")
    assert table.title_of([system, Message(Role.USER, " What\nis  it? ")]) == "What is it?"
    long = table.title_of([Message(Role.USER, "word " * 50)])
    assert len(long) == MAX_TITLE_CHARS
    assert long.endswith("…")


def test_an_append_is_conditional_on_attempt_and_next_seq() -> None:
    made = table.append("jobs", RECORD, [Delta("a", (1,)), Delta("b", (2,))], NOW)
    update, *puts = made.transact_items
    assert update["Update"]["ConditionExpression"] == "attempt = :attempt AND next_seq = :next_seq"
    values = update["Update"]["ExpressionAttributeValues"]
    assert (values[":attempt"], values[":next_seq"]) == ({"N": "2"}, {"N": "7"})
    assert replace(made.cursor, append_id="") == Cursor(JobState.RUNNING, attempt=2, next_seq=9)
    assert [event.seq for event in made.events] == [7, 8]
    assert all(put["Put"]["ConditionExpression"] == "attribute_not_exists(pk)" for put in puts)
    assert len(puts) == 2


def test_taking_a_job_over_is_the_next_attempt() -> None:
    made = table.append("jobs", RECORD, [StateChange(JobState.RUNNING)], NOW, new_attempt=True)
    assert replace(made.cursor, append_id="") == Cursor(JobState.RUNNING, attempt=3, next_seq=8)
    assert made.events[0].attempt == 3


def test_two_appends_in_the_same_place_are_told_apart() -> None:
    takes = [
        table.append("jobs", RECORD, [StateChange(JobState.RUNNING)], NOW, new_attempt=True)
        for _ in range(2)
    ]
    assert takes[0].cursor.append_id != takes[1].cursor.append_id
    for take in takes:
        values = take.transact_items[0]["Update"]["ExpressionAttributeValues"]
        assert values[":append_id"] == {"S": take.cursor.append_id}


def test_a_failure_is_counted_with_an_append_and_stays_counted() -> None:
    one = table.append("jobs", RECORD, [StateChange(JobState.RUNNING)], NOW, failures=1)
    assert one.cursor.failures == 1
    next_record = replace(RECORD, cursor=one.cursor)
    assert table.append("jobs", next_record, [Delta("a", (1,))], NOW).cursor.failures == 1


def test_a_job_ends_if_and_only_if_its_turn_gets_an_answer() -> None:
    end: list[EventBody] = [Usage(1, 0, 1), StateChange(JobState.SUCCEEDED, FinishReason.STOP)]
    made = table.append("jobs", RECORD, end, NOW, answer_text="whole")
    assert made.cursor.state is JobState.SUCCEEDED
    (answer,) = (
        item["Put"]["Item"]
        for item in made.transact_items
        if "Put" in item and "answer" in item["Put"]["Item"]
    )
    assert answer == table.answer_item(JOB, table.Answer(JobState.SUCCEEDED, "whole"))
    running = table.append("jobs", RECORD, [Delta("a", (1,))], NOW)
    assert not any(
        "answer" in item.get("Put", {}).get("Item", {}) for item in running.transact_items
    )


@pytest.mark.parametrize("state", list(JobState))
def test_the_append_that_ends_a_job_takes_it_off_the_list_of_open_jobs(state: JobState) -> None:
    made = table.append("jobs", RECORD, [StateChange(state)], NOW)
    deleted = [item["Delete"] for item in made.transact_items if "Delete" in item]
    entry = {"TableName": "jobs", "Key": table.open_key(JOB.job_id, JOB.created_at)}
    assert deleted == ([entry] if state.is_final else [])


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_open_jobs_are_listed_in_order_of_age(one: datetime, two: datetime) -> None:
    keys = [table.open_key("job-a", at)["sk"]["S"] for at in (one, two)]
    if abs(one - two) >= timedelta(milliseconds=1):
        assert (keys[0] < keys[1]) == (one < two)


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_open_job_s_key_is_the_same_for_whoever_has_read_the_job(at: datetime) -> None:
    job = decode_job(encode_job(replace(JOB, created_at=at)))
    assert table.open_key(job.job_id, job.created_at) == table.open_key(job.job_id, at)


@pytest.mark.parametrize("unless_cancelled", [True, False])
def test_a_wish_to_cancel_refuses_an_append_only_where_asked(unless_cancelled: bool) -> None:
    made = table.append("jobs", RECORD, [Delta("a", (1,))], NOW, unless_cancelled=unless_cancelled)
    condition = made.transact_items[0]["Update"]["ConditionExpression"]
    assert ("cancel_requested = :false" in condition) == unless_cancelled
