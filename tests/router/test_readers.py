"""Held polls are few enough that prompts have room, and cost nothing while an answer flows."""

from datetime import timedelta
from typing import Any

import pytest

from aistratus_contracts import table
from aistratus_contracts.event import Delta, StateChange
from aistratus_contracts.limits import MAX_EVENT_WAIT_SECONDS
from aistratus_contracts.states import JobState
from aistratus_router.jobs.readers import WINDOW_SECONDS, Lease, Readers
from aistratus_router.store.table import Table
from aistratus_router.user_limits import UserLimits
from support.doubles.aws import error
from support.fake_world import Crash
from support.router_api import Api, Reply

RUNNING = StateChange(JobState.RUNNING)


def readers(api: Api, owner: str = "ann", **limits: int) -> Readers:
    table_ = Table(api.ports.dynamodb, api.table_name)
    return Readers(table_, owner, UserLimits(**limits), api.time.clock)


def poll(api: Api, job_id: str, *, after: int = 1, wait: int = 20) -> Reply:
    return api.call("GET", f"/jobs/{job_id}/events", query={"after": after, "wait": wait})


def running(api: Api) -> str:
    job_id: str = api.infer()["job_id"]
    api.work(job_id, RUNNING, take=True)
    return job_id


def enter(some: Readers) -> Lease:
    lease = some.enter()
    assert lease is not None
    return lease


def test_a_user_holds_so_many_polls_and_no_more(api: Api) -> None:
    api.limit(readers_per_user=3)
    job_id = api.infer()["job_id"]
    leases = [enter(readers(api, readers_per_user=3)) for _ in range(3)]

    reply = poll(api, job_id)
    assert (reply.status, reply.json["code"]) == (429, "too_many_readers")
    assert int(reply.headers["Retry-After"]) > 0
    assert sum(api.time.naps) < 1
    readers(api).leave(leases[0])
    assert poll(api, job_id).status == 200


def test_another_users_polls_do_not_count(api: Api) -> None:
    for _ in range(3):
        enter(readers(api, "bob", readers_per_user=3))
    enter(readers(api, "ann", readers_per_user=3))


def test_when_all_together_have_no_place_a_poll_is_answered_at_once(api: Api) -> None:
    api.limit(readers=2)
    job_id = running(api)
    leases = [enter(readers(api, owner, readers=2)) for owner in ("bob", "carl")]

    reply = poll(api, job_id, after=2)
    assert (reply.status, reply.json["events"], reply.json["done"]) == (200, [], False)
    assert (reply.headers["Retry-After"], reply.json["retry_after"]) == ("1", 1.0)
    assert sum(api.time.naps) < 1
    # And no place of her own stays taken by it.
    readers(api, "bob").leave(leases[0])
    for _ in range(20):
        reply = poll(api, job_id, after=2, wait=1)
        assert "Retry-After" not in reply.headers


def test_a_poll_that_is_over_gives_its_place_back(api: Api) -> None:
    api.limit(readers_per_user=1, readers=1)
    job_id = api.infer()["job_id"]
    for _ in range(3):
        assert poll(api, job_id, wait=2).status == 200


def test_a_poll_that_fails_gives_its_place_back(api: Api) -> None:
    api.limit(readers_per_user=1)
    job_id = api.infer()["job_id"]

    def deleted(passed: float) -> None:
        if passed > 2:
            api.dynamodb._client.delete_item(TableName=api.table_name, Key=table.meta_key(job_id))

    api.time.meanwhile = deleted
    assert poll(api, job_id).status == 404
    assert readers(api, readers_per_user=1).enter() is not None


def test_the_places_of_those_who_died_come_back_by_themselves(api: Api) -> None:
    some = readers(api, readers_per_user=2)
    enter(some)
    enter(some)
    with pytest.raises(Exception, match="may wait for an answer at once"):
        some.enter()
    api.time.now += 2 * WINDOW_SECONDS
    enter(some)


def test_a_place_is_kept_for_as_long_as_a_poll_can_be_held(api: Api) -> None:
    """Wherever in a window it began."""
    for offset in range(0, WINDOW_SECONDS, 7):
        some = readers(api, f"user-{offset}", readers_per_user=1)
        start = api.time.now
        api.time.now = start + offset
        enter(some)
        api.time.now += MAX_EVENT_WAIT_SECONDS
        with pytest.raises(Exception, match="may wait for an answer at once"):
            some.enter()


def flowing(api: Api, owner: str) -> str:
    """A job whose answer comes in steps of 0.9 s, the last of them now."""
    job_id: str = api.infer(owner=owner)["job_id"]
    api.work(job_id, RUNNING, take=True)
    for step in range(2):
        api.time.now += 0.9
        api.work(job_id, Delta(f" {step}", (step,)))
    return job_id


def test_what_is_there_and_what_flows_needs_no_place(api: Api) -> None:
    job_id = flowing(api, "ann")
    api.dynamodb.calls.clear()
    told = poll(api, job_id, after=0).json["retry_after"]
    poll(api, job_id, after=4, wait=0)
    for step in range(3):
        assert told == pytest.approx(0.9, abs=0.03)
        api.time.now += told - 0.02
        api.work(job_id, Delta(" on", (1,)))
        api.time.now += 0.02
        reply = poll(api, job_id, after=4 + step)
        assert len(reply.json["events"]) == 1
        assert "Retry-After" not in reply.headers, "whole seconds are too many"
        told = reply.json["retry_after"]
    assert api.time.naps == []
    assert {name for name, _ in api.dynamodb.calls} == {"query"}


def test_who_asks_before_the_next_step_waits_in_a_place_or_not_at_all(api: Api) -> None:
    job_id = flowing(api, "ann")

    def worker(_: float) -> None:
        api.work(job_id, Delta(" on", (1,)))

    api.time.meanwhile = worker
    api.dynamodb.calls.clear()
    assert len(poll(api, job_id, after=4).json["events"]) == 1
    assert api.time.naps == [pytest.approx(0.92)]
    assert api.dynamodb.count("update_item") == 4, "the place, for ann and for all, there and back"

    api.time.naps.clear()
    api.limit(readers=1)
    enter(readers(api, "bob", readers=1))
    waits = []
    for _ in range(6):
        found = poll(api, job_id, after=5).json
        assert found["events"] == []
        waits.append(found["retry_after"])
        api.time.now += found["retry_after"]
    # Until the step is due, then as long again as it has been late.
    assert waits == pytest.approx([0.94, 0.1, 0.1, 0.2, 0.4, 0.8])
    assert api.time.naps == []


def test_ten_readers_of_answers_under_way_do_not_fill_an_account_of_ten(api: Api) -> None:
    """They ask again at once, whatever they are told. A prompt and the steward find room."""
    account = 10
    api.limit(readers=account // 2)
    quiet = flowing(api, "quiet")
    idle = [(owner, flowing(api, owner)) for owner in (f"user-{n}" for n in range(account))]
    asked, held, most_held, seen = 0, 0, 0, 0

    def the_others(_: float) -> None:
        """While one poll waits, all who do not wait ask."""
        nonlocal asked, held, most_held, seen
        held += 1
        most_held = max(most_held, held)
        for _ in range(len(idle)):
            if asked == 20 * account:
                break
            asked += 1
            owner, job_id = idle.pop(0)
            reply = api.call(
                "GET", f"/jobs/{job_id}/events", query={"after": 4, "wait": 20}, owner=owner
            )
            assert reply.status == 200
            idle.append((owner, job_id))
        if held == most_held:
            api.work(quiet, Delta(" on", (1,)))
            reply = api.call("GET", f"/jobs/{quiet}/events", query="after=4&wait=20", owner="quiet")
            seen = max(seen, len(reply.json["events"]))
            assert api.infer(owner="prompt")["job_id"]
            api.steward()
        held -= 1

    api.time.meanwhile = the_others
    owner, job_id = idle.pop(0)
    api.call("GET", f"/jobs/{job_id}/events", query={"after": 4, "wait": 20}, owner=owner)

    assert asked == 20 * account
    assert most_held == account // 2
    assert seen > 0


def test_a_place_that_cannot_be_given_back_costs_the_reader_nothing(api: Api) -> None:
    job_id = api.infer()["job_id"]

    def trouble(name: str, call: dict[str, Any]) -> None:
        if name == "update_item" and ":minus_one" in call["ExpressionAttributeValues"]:
            raise error("InternalServerError")

    api.dynamodb.before = trouble
    assert poll(api, job_id, wait=2).status == 200


def test_a_process_that_dies_in_a_poll_holds_a_place_for_a_minute(api: Api) -> None:
    api.limit(readers_per_user=1)
    job_id = api.infer()["job_id"]

    def die(name: str, call: dict[str, Any]) -> None:
        if name == "update_item" and ":minus_one" in call["ExpressionAttributeValues"]:
            raise Crash

    api.dynamodb.before = die
    with pytest.raises(Crash):
        poll(api, job_id, wait=1)
    api.dynamodb.before = lambda *_: None
    assert poll(api, job_id).status == 429
    api.time.now += timedelta(minutes=1).total_seconds()
    assert poll(api, job_id).status == 200


def test_the_counts_go_away(api: Api) -> None:
    enter(readers(api))
    counts = [item for item in api.items() if "held" in item]
    assert len(counts) == 2
    now = api.time.clock().timestamp()
    assert all(0 < int(item["expires_at"]["N"]) - now < 2 * 3600 for item in counts)
