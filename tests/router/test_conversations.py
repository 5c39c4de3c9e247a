"""What was said can be found again, by its owner only, until it is deleted."""

from typing import Any

import pytest

from aistratus_contracts import table
from aistratus_contracts.event import Delta, StateChange
from aistratus_contracts.states import FinishReason, JobState
from support.fake_world import Crash
from support.router_api import Api

RUNNING = StateChange(JobState.RUNNING)
SUCCEEDED = StateChange(JobState.SUCCEEDED, FinishReason.STOP)


def test_the_last_used_conversation_comes_first(api: Api) -> None:
    one, two, three = (opened(api, text) for text in ("One", "Two", "Three"))
    api.time.sleep(5)
    api.say(one)

    listed = listing(api)["conversations"]
    assert [c["conversation_id"] for c in listed] == [one, three, two]
    assert [c["title"] for c in listed] == ["One", "Three", "Two"]
    assert [c["turns"] for c in listed] == [2, 1, 1]
    assert listed[0]["created_at"] < listed[0]["updated_at"]


def test_a_long_list_comes_in_pages(api: Api) -> None:
    made = [opened(api, f"Number {n}") for n in range(7)]
    seen: list[str] = []
    page = listing(api, limit=3)
    while True:
        seen += [c["conversation_id"] for c in page["conversations"]]
        if "next_cursor" not in page:
            break
        page = listing(api, limit=3, cursor=page["next_cursor"])

    assert seen == made[::-1]


def test_a_user_sees_only_their_own(api: Api) -> None:
    mine, theirs = opened(api, "Mine"), opened(api, "Theirs", owner="bob")

    assert [c["conversation_id"] for c in listing(api)["conversations"]] == [mine]
    for method in ("GET", "DELETE"):
        reply = api.call(method, f"/conversations/{theirs}")
        nothing = api.call(method, f"/conversations/conv-{'a' * 24}")
        assert (reply.status, reply.json) == (404, nothing.json)
    assert api.call("GET", f"/conversations/{theirs}", owner="bob").status == 200


def test_a_cursor_of_anothers_list_leads_nowhere(api: Api) -> None:
    for n in range(3):
        opened(api, f"Theirs {n}", owner="bob")
        opened(api, f"Mine {n}")
    reply = api.call("GET", "/conversations", query={"limit": 1}, owner="bob")
    page = listing(api, cursor=reply.json["next_cursor"])

    assert all(c["title"].startswith("Mine") for c in page["conversations"])


def test_a_conversation_shows_its_turns_with_their_answers(api: Api) -> None:
    conversation = opened(api, "Why?")
    first = read(api, conversation)["turns"][0]["job_id"]
    api.work(first, RUNNING, take=True)
    api.work(first, Delta("Because.", (1,)), SUCCEEDED, text="Because.")
    second = api.say(conversation, "Why else?")["job_id"]

    shown = read(api, conversation)
    assert (shown["title"], shown["conversation_id"]) == ("Why?", conversation)
    assert [(t["turn"], t["job_id"]) for t in shown["turns"]] == [(1, first), (2, second)]
    assert shown["turns"][0]["messages"] == [{"role": "user", "content": "Why?"}]
    assert shown["turns"][0]["answer"] == {"state": "succeeded", "text": "Because."}
    assert "answer" not in shown["turns"][1]
    assert "next_before" not in shown


def test_a_very_long_conversation_comes_in_parts_the_newest_first(api: Api) -> None:
    conversation = opened(api, "Start")
    for n in range(2, 13):
        job_id = api.say(conversation, f"{n} " + "x" * 150_000)["job_id"]
        api.work(job_id, StateChange(JobState.CANCELLED), text="y" * 60_000)

    turns: list[dict[str, Any]] = []
    page = read(api, conversation)
    pages = 1
    while True:
        turns = page["turns"] + turns
        if "next_before" not in page:
            break
        assert page["next_before"] == page["turns"][0]["turn"]
        page = read(api, conversation, before=page["next_before"])
        pages += 1

    assert [turn["turn"] for turn in turns] == list(range(1, 13))
    assert all(len(turn["answer"]["text"]) == 60_000 for turn in turns[1:])
    assert 2 <= pages <= 5


def test_a_very_long_conversation_is_deleted_page_by_page(api: Api) -> None:
    conversation = opened(api, "Start")
    for n in range(2, 13):
        job_id = api.say(conversation, f"{n} " + "x" * 150_000)["job_id"]
        api.work(job_id, StateChange(JobState.CANCELLED), text="y" * 60_000)
    api.dynamodb.calls.clear()

    assert api.call("DELETE", f"/conversations/{conversation}").status == 204

    names = [name for name, _ in api.dynamodb.calls]
    # Jobs go before all of the conversation was read.
    first_deletion = names.index("batch_write_item")
    assert "query" in names[first_deletion:]
    left = [item["sk"]["S"] for item in api.items()]
    assert not [key for key in left if key.startswith(("CONV#", "TURN#", "META", "EV#"))]


def test_a_deleted_conversation_is_gone_and_so_are_its_jobs(api: Api) -> None:
    kept = opened(api, "Keep", owner="ann")
    job = api.infer({"messages": [{"role": "user", "content": "Bye"}], "request_id": "r-1"})
    conversation = job["conversation_id"]
    api.work(job["job_id"], RUNNING, *[Delta("x", (1,))] * 60, take=True)
    api.work(job["job_id"], SUCCEEDED, text="x" * 60)
    later = api.say(conversation)["job_id"]

    assert api.call("DELETE", f"/conversations/{conversation}").status == 204
    for path in (
        f"/conversations/{conversation}",
        f"/jobs/{job['job_id']}",
        f"/jobs/{job['job_id']}/events",
        f"/jobs/{later}",
    ):
        assert api.call("GET", path).status == 404
    assert api.call("DELETE", f"/conversations/{conversation}").status == 404
    left = str(api.items())
    for gone in (conversation, job["job_id"], later, "Bye", "r-1"):
        assert gone not in left
    assert [c["conversation_id"] for c in listing(api)["conversations"]] == [kept]


def test_a_deletion_bars_the_worker_of_a_running_job(api: Api) -> None:
    job = api.infer()
    api.work(job["job_id"], RUNNING, take=True)
    record = api.record(job["job_id"])
    api.call("DELETE", f"/conversations/{job['conversation_id']}")
    append = table.append(
        api.table_name, record, [Delta("late", (1,)), SUCCEEDED], api.time.clock()
    )

    with pytest.raises(Exception, match="TransactionCanceled"):
        api.dynamodb._client.transact_write_items(TransactItems=append.transact_items)
    assert api.leftovers() == []


@pytest.mark.parametrize("calls_before_the_crash", [0, 1, 2, 3, 4, 5])
def test_a_deletion_that_was_cut_short_is_finished_by_asking_again(
    api: Api, calls_before_the_crash: int
) -> None:
    conversation = opened(api, "One")
    api.say(conversation)
    left = [calls_before_the_crash]

    def crash(name: str, _: object) -> None:
        if name in {"delete_item", "batch_write_item"}:
            left[0] -= 1
            if left[0] < 0:
                raise Crash

    api.dynamodb.before = crash
    with pytest.raises(Crash):
        api.call("DELETE", f"/conversations/{conversation}")
    api.dynamodb.before = lambda *_: None

    assert api.call("DELETE", f"/conversations/{conversation}").status == 204
    assert api.leftovers() == []


def test_a_turn_that_comes_while_its_conversation_is_deleted_goes_too(api: Api) -> None:
    conversation = opened(api, "One")
    late: list[str] = []

    def overtake(name: str, call: dict[str, Any]) -> None:
        if name == "delete_item" and "CONV#" in str(call["Key"]) and not late:
            late.append(api.say(conversation)["job_id"])

    api.dynamodb.before = overtake

    assert api.call("DELETE", f"/conversations/{conversation}").status == 204
    assert late
    assert api.leftovers() == []


def test_a_deletion_that_takes_too_long_asks_to_come_again(api: Api) -> None:
    conversation = opened(api, "One")
    api.context.left_ms = 1_000
    reply = api.call("DELETE", f"/conversations/{conversation}")

    assert (reply.status, reply.json["code"]) == (503, "unavailable")
    assert int(reply.headers["Retry-After"]) > 0


def opened(api: Api, text: str, owner: str = "ann") -> str:
    api.time.sleep(1)
    body = {"messages": [{"role": "user", "content": text}]}
    return str(api.infer(body, owner=owner)["conversation_id"])


def listing(api: Api, **query: Any) -> dict[str, Any]:
    reply = api.call("GET", "/conversations", query=query)
    assert reply.status == 200, reply.text
    return dict(reply.json)


def read(api: Api, conversation: str, **query: Any) -> dict[str, Any]:
    reply = api.call("GET", f"/conversations/{conversation}", query=query)
    assert reply.status == 200, reply.text
    return dict(reply.json)
