"""A prompt's whole journey, over HTTP alone, through everything that `make demo` starts."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from support.system import Demo, Person, text_of

QUESTION = "What is Aistratus?"
LONG_QUESTION = "Tell me about the whole journey of a prompt"


@pytest.fixture(scope="module")
def answered(person: Person) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A question that has its answer: what was accepted, and the whole log."""
    accepted = person.ask(QUESTION)
    assert accepted["state"] in {"queued", "running"}
    return accepted, person.follow(accepted["job_id"])


Answered = tuple[dict[str, Any], list[dict[str, Any]]]


def test_the_answer_is_about_what_was_asked(person: Person, answered: Answered) -> None:
    accepted, events = answered
    job = person.http.get(f"/jobs/{accepted['job_id']}").json()
    assert job["state"] == "succeeded"
    assert job["finish_reason"] == "stop"
    assert "Aistratus is" in job["text"]
    assert job["text"] == text_of(events)
    assert job["events"] == len(events)
    assert job["usage"]["completion_tokens"] > 10


def test_events_are_numbered_without_a_hole_and_end_with_the_state(answered: Answered) -> None:
    _, events = answered
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    states = [event["state"]["state"] for event in events if "state" in event]
    assert states == ["queued", "running", "succeeded"]
    assert "state" in events[-1]


def test_from_every_offset_the_rest_is_the_same(person: Person, answered: Answered) -> None:
    accepted, events = answered
    for after in range(len(events) + 1):
        assert person.follow(accepted["job_id"], after) == events[after:]
    beyond = person.page(accepted["job_id"], after=len(events) + 5, wait=0)
    assert beyond["events"] == []
    assert beyond["done"] is True


def test_readers_at_once_see_the_same_log(person: Person) -> None:
    job_id = person.ask(LONG_QUESTION)["job_id"]
    with ThreadPoolExecutor(4) as pool:
        logs = list(pool.map(person.follow, [job_id] * 4))
    assert logs[0][-1]["state"]["state"] == "succeeded"
    assert all(log == logs[0] for log in logs)
    assert len([event for event in logs[0] if "delta" in event]) > 1


def test_a_cancelled_answer_keeps_its_text_and_never_changes(person: Person) -> None:
    job_id = person.ask(LONG_QUESTION, max_tokens=900)["job_id"]
    person.until_text(job_id)
    cancelled = person.http.post(f"/jobs/{job_id}/cancel")
    assert cancelled.status_code == 202
    assert cancelled.json()["job_id"] == job_id
    events = person.follow(job_id)
    assert events[-1]["state"]["state"] == "cancelled"
    text = text_of(events)
    full = text_of(person.follow(person.ask(LONG_QUESTION)["job_id"]))
    assert text
    assert full.startswith(text)
    assert len(text) < len(full)
    # Once more changes nothing, and neither does time.
    again = person.http.post(f"/jobs/{job_id}/cancel")
    assert (again.status_code, again.json()["state"]) == (202, "cancelled")
    time.sleep(0.5)
    assert person.follow(job_id) == events
    job = person.http.get(f"/jobs/{job_id}").json()
    assert (job["state"], job["text"]) == ("cancelled", text)


def test_a_follow_up_knows_what_it_follows(person: Person) -> None:
    first = person.ask(QUESTION)
    person.follow(first["job_id"])
    second = person.ask("And what does that cost?", conversation_id=first["conversation_id"])
    assert second["conversation_id"] == first["conversation_id"]
    events = person.follow(second["job_id"])
    assert events[-1]["state"]["state"] == "succeeded"
    alone = text_of(person.follow(person.ask("And what does that cost?")["job_id"]))
    assert text_of(events) != alone

    listed = person.http.get("/conversations").json()["conversations"]
    (head,) = (c for c in listed if c["conversation_id"] == first["conversation_id"])
    assert head["title"] == QUESTION
    assert head["turns"] == 2
    shown = person.http.get(f"/conversations/{first['conversation_id']}").json()
    assert [turn["job_id"] for turn in shown["turns"]] == [first["job_id"], second["job_id"]]
    assert [turn["messages"][-1]["content"] for turn in shown["turns"]] == [
        QUESTION,
        "And what does that cost?",
    ]
    assert [turn["answer"]["state"] for turn in shown["turns"]] == ["succeeded", "succeeded"]
    assert shown["turns"][1]["answer"]["text"] == text_of(events)


def test_a_follow_up_sent_too_early_waits_for_its_turn(person: Person) -> None:
    first = person.ask(LONG_QUESTION)
    second = person.ask(QUESTION, conversation_id=first["conversation_id"])
    later = person.follow(second["job_id"])
    earlier = person.follow(first["job_id"])
    assert later[-1]["state"]["state"] == earlier[-1]["state"]["state"] == "succeeded"
    began = next(event["at"] for event in later if "delta" in event)
    assert began >= earlier[-1]["at"]


def test_conversations_do_not_wait_for_each_other(person: Person) -> None:
    jobs = [person.ask(QUESTION)["job_id"] for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        texts = {text_of(log) for log in pool.map(person.follow, jobs)}
    assert len(texts) == 1


def test_the_newest_conversation_comes_first_page_by_page(person: Person) -> None:
    newest = person.ask(QUESTION)["conversation_id"]
    first = person.http.get("/conversations", params={"limit": 2}).json()
    assert first["conversations"][0]["conversation_id"] == newest
    assert len(first["conversations"]) == 2
    query = {"limit": 2, "cursor": first["next_cursor"]}
    second = person.http.get("/conversations", params=query).json()
    ids = [c["conversation_id"] for c in first["conversations"] + second["conversations"]]
    assert len(set(ids)) == len(ids)


def test_what_is_another_users_is_not_there(
    person: Person, somebody_else: Person, answered: Answered
) -> None:
    accepted, events = answered
    job, conversation = accepted["job_id"], accepted["conversation_id"]
    other = somebody_else.http
    for answer in (
        other.get(f"/jobs/{job}"),
        other.get(f"/jobs/{job}/events", params={"after": 0}),
        other.post(f"/jobs/{job}/cancel"),
        other.get(f"/conversations/{conversation}"),
        other.delete(f"/conversations/{conversation}"),
        other.post(
            "/infer",
            json={
                "messages": [{"role": "user", "content": "x"}],
                "conversation_id": conversation,
            },
        ),
    ):
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "not_found"
    assert other.get("/conversations").json()["conversations"] == []
    assert person.follow(job) == events


def test_a_request_id_leads_to_one_job(person: Person) -> None:
    request_id = uuid.uuid4().hex
    with ThreadPoolExecutor(4) as pool:
        accepted = list(pool.map(lambda _: person.ask(QUESTION, request_id=request_id), range(4)))
    assert len({item["job_id"] for item in accepted}) == 1
    person.follow(accepted[0]["job_id"])
    assert person.ask(QUESTION, request_id=request_id)["state"] == "succeeded"
    other = {"messages": [{"role": "user", "content": "other"}], "request_id": request_id}
    answer = person.http.post("/infer", json=other)
    assert (answer.status_code, answer.json()["code"]) == (409, "request_id_reused")


def test_what_is_deleted_is_gone(person: Person) -> None:
    accepted = person.ask(QUESTION)
    person.follow(accepted["job_id"])
    path = f"/conversations/{accepted['conversation_id']}"
    assert person.http.delete(path).status_code == 204
    assert person.http.get(path).status_code == 404
    assert person.http.get(f"/jobs/{accepted['job_id']}").status_code == 404
    listed = person.http.get("/conversations").json()["conversations"]
    assert accepted["conversation_id"] not in [c["conversation_id"] for c in listed]


def test_the_models_are_those_that_the_demo_has(person: Person, demo: Demo) -> None:
    (model,) = person.http.get("/models").json()["models"]
    assert model["id"] == demo.state["model"]


def test_a_refused_request_says_which_field(person: Person) -> None:
    answer = person.http.post("/infer", json={"messages": [], "temperature": "warm"})
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "invalid_request"


def test_health_and_the_api_description_are_open(demo: Demo) -> None:
    assert httpx.get(f"{demo.state['api_url']}/health").json()["status"] == "ok"
    document = httpx.get(f"{demo.state['api_url']}/openapi.json").json()
    assert "/infer" in document["paths"]


def test_the_first_page_of_the_chat_is_there(demo: Demo) -> None:
    answer = httpx.get(demo.state["app_url"], follow_redirects=True)
    assert answer.status_code == 200
    assert "<html" in answer.text.lower()
