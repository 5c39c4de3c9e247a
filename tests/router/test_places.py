"""One user has so many open jobs, in so many lanes, and so many prompts a minute; not more."""

import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aistratus_contracts import limits, table
from aistratus_contracts.event import StateChange
from aistratus_contracts.lanes import message_group, user_of
from aistratus_contracts.states import FinishReason, JobState
from aistratus_router.api.app import build_app
from aistratus_router.errors import Misconfigured
from aistratus_router.jobs.places import CLOCK_SLACK, Standing
from aistratus_router.settings import Settings
from aistratus_router.user_limits import VARIABLES, UserLimits
from aistratus_router.wire.problems import Refusal
from support.doubles.aws import error
from support.router_api import HELLO, Api, Reply

SUCCEEDED = StateChange(JobState.SUCCEEDED, FinishReason.STOP)
PATIENT = {"prompts_per_minute": 60_000, "prompt_burst": 60_000}
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def lanes(api: Api) -> list[int]:
    """The lane of each message of ann's, in the order in which they were sent."""
    groups = [message_group("ann", lane) for lane in range(1000)]
    return [
        groups.index(call["MessageGroupId"])
        for name, call in api.sqs.calls
        if name == "send_message"
    ]


def ask(api: Api, body: dict[str, Any] | None = None, owner: str = "ann") -> Reply:
    return api.call("POST", "/infer", HELLO if body is None else body, owner=owner)


# --- lanes --------------------------------------------------------------------------------


def test_conversations_go_in_lanes_of_their_own(api: Api) -> None:
    for _ in range(limits.LANES_PER_USER):
        api.infer()

    assert lanes(api) == list(range(limits.LANES_PER_USER))


def test_a_conversations_open_jobs_share_a_lane(api: Api) -> None:
    conversations = [api.infer()["conversation_id"] for _ in range(3)]
    for _ in range(2):
        for conversation in conversations:
            api.say(conversation)

    assert lanes(api) == [0, 1, 2] * 3


def test_more_conversations_than_lanes_share_them_evenly(api: Api) -> None:
    api.limit(lanes=4)
    opened = [api.infer() for _ in range(10)]

    assert lanes(api) == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    api.say(opened[7]["conversation_id"])
    assert lanes(api)[-1] == 3


def test_a_lane_is_free_again_when_its_job_has_ended(api: Api) -> None:
    api.limit(lanes=3)
    jobs = [api.infer()["job_id"] for _ in range(3)]
    end(api, jobs[1])

    api.infer()
    assert lanes(api) == [0, 1, 2, 1]


def test_an_ended_conversation_does_not_go_on_behind_another(api: Api) -> None:
    api.limit(lanes=2)
    first, second, third = (api.infer() for _ in range(3))
    assert lanes(api) == [0, 1, 0]
    end(api, first["job_id"])
    end(api, second["job_id"])

    # Its own lane has somebody else in it, who would hold it up.
    api.say(first["conversation_id"])
    assert third["job_id"] in api.seats()
    assert lanes(api)[-1] == 1


def test_however_many_jobs_a_user_has_no_more_than_lanes_are_in_workers_hands(api: Api) -> None:
    api.limit(lanes=4)
    for _ in range(12):
        api.infer()
    quiet = api.infer(owner="bob")["job_id"]
    url, taken = api.registry.addresses.queue_url, []
    while batch := api.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1).get("Messages"):
        taken += [json.loads(message["Body"])["job_id"] for message in batch]

    assert len(taken) == 4 + 1
    assert quiet in taken


def test_two_users_share_no_group(api: Api) -> None:
    api.infer(owner="ann")
    api.infer(owner="bob")

    groups = [call["MessageGroupId"] for _, call in api.sqs.calls]
    assert len({user_of(group) for group in groups}) == 2
    assert not any("ann" in group or "bob" in group for group in groups)


def test_a_job_is_sent_again_in_its_own_lane(api: Api) -> None:
    api.infer()
    lost = api.infer()["job_id"]
    api.lose_messages()
    api.time.now += 3_600
    api.steward()

    again = [call for name, call in api.sqs.calls if lost in str(call.get("MessageBody"))]
    assert [call["MessageGroupId"] for call in again] == [message_group("ann", 1)] * 2


def test_a_dead_letter_goes_back_into_its_jobs_lane(api: Api) -> None:
    api.infer()
    job_id = api.infer()["job_id"]
    api.lose_messages()
    api.bury(job_id)

    assert api.steward() == {"put_back": 1}
    taken = api.take_messages(api.registry.addresses.queue_url)
    assert [group for _, group in taken] == [message_group("ann", 1)]


# --- open jobs ----------------------------------------------------------------------------


def test_of_1147_prompts_of_one_user_64_are_taken(quick_api: Api) -> None:
    quick_api.limit(**PATIENT)
    replies = [ask(quick_api) for _ in range(1147)]

    assert [reply.status for reply in replies] == [202] * 64 + [429] * 1083
    refused = replies[-1]
    assert refused.json["code"] == "too_many_open_jobs"
    assert "64 of your jobs" in refused.json["detail"]
    assert int(refused.headers["Retry-After"]) > 0
    assert len(quick_api.open_jobs()) == len(quick_api.sent()) == 64


def test_another_user_does_not_notice(api: Api) -> None:
    api.limit(open_jobs=3)
    assert [ask(api).status for _ in range(4)] == [202, 202, 202, 429]
    assert ask(api, owner="bob").status == 202


@pytest.mark.parametrize("how", ["ended", "cancelled", "deleted"])
def test_a_job_that_is_over_makes_room(api: Api, how: str) -> None:
    api.limit(open_jobs=3)
    jobs = [api.infer() for _ in range(3)]
    assert ask(api).status == 429

    if how == "ended":
        end(api, jobs[1]["job_id"])
    elif how == "cancelled":
        api.call("POST", f"/jobs/{jobs[1]['job_id']}/cancel")
    else:
        api.call("DELETE", f"/conversations/{jobs[1]['conversation_id']}")
    assert [ask(api).status for _ in range(2)] == [202, 429]
    assert jobs[1]["job_id"] not in api.seats()


def test_a_job_whose_deletion_was_cut_short_makes_room_too(api: Api) -> None:
    api.limit(open_jobs=1)
    job_id = api.infer()["job_id"]
    api.dynamodb.delete_item(TableName=api.table_name, Key=table.meta_key(job_id))

    assert ask(api).status == 202
    assert job_id not in api.seats()


def test_a_known_request_is_answered_as_before_whatever_is_full(api: Api) -> None:
    api.limit(open_jobs=1, prompts_per_minute=1, prompt_burst=1)
    body = {**HELLO, "request_id": "once"}
    first = api.infer(body)

    assert ask(api, {**HELLO, "request_id": "other"}).status == 429
    assert api.infer(body) == first
    assert len(api.sent()) == 1


def test_prompts_at_once_never_exceed_the_limit(api: Api) -> None:
    api.limit(open_jobs=5, **PATIENT)
    with ThreadPoolExecutor(8) as pool:
        # The handler answers one event at a time: each of these has one of its own.
        replies = list(pool.map(lambda n: _own(api, n), range(24)))

    statuses = [reply.status for reply in replies]
    assert set(statuses) <= {202, 429, 503}
    assert statuses.count(202) == len(api.open_jobs()) == len(api.seats()) == 5


def test_who_is_overtaken_looks_again(api: Api) -> None:
    api.limit(open_jobs=2)
    overtakers = [1]

    def overtake(name: str, _: object) -> None:
        if name == "transact_write_items" and overtakers:
            overtakers.pop()
            api.infer()

    api.infer()
    api.dynamodb.before = overtake
    reply = ask(api)

    assert (reply.status, reply.json["code"]) == (429, "too_many_open_jobs")
    assert len(api.open_jobs()) == 2


def test_what_is_refused_costs_the_table_nothing(api: Api) -> None:
    api.limit(open_jobs=1)
    api.infer()
    before = api.items()
    assert ask(api).status == 429
    assert api.items() == before


def test_places_are_looked_after_only_when_they_get_scarce(api: Api) -> None:
    for _ in range(limits.LANES_PER_USER):
        api.infer()
    assert api.dynamodb.count("batch_get_item") == 0
    api.infer()
    assert api.dynamodb.count("batch_get_item") == 1


def test_a_table_that_does_not_keep_up_says_when_to_come_again(quick_api: Api) -> None:
    quick_api.limit(open_jobs=1)
    quick_api.infer()

    def keys_left(name: str, _: object) -> None:
        if name == "batch_get_item":
            raise error("ProvisionedThroughputExceededException")

    quick_api.dynamodb.before = keys_left
    reply = ask(quick_api)
    assert (reply.status, reply.json["code"]) == (503, "unavailable")


def test_the_item_has_room_for_the_most_that_can_be_set(quick_api: Api) -> None:
    most = VARIABLES["open_jobs"][1]
    quick_api.limit(open_jobs=most, **PATIENT)
    for _ in range(16):
        quick_api.infer()
    seats = dict.fromkeys((f"job-{n:024d}" for n in range(most)), (999, "conv-" + "a" * 24))
    assert len(str(seats)) < 100_000


# --- the rate -----------------------------------------------------------------------------


def test_prompts_come_in_a_burst_and_then_at_their_rate(api: Api) -> None:
    api.limit(prompts_per_minute=30, prompt_burst=3)
    assert [ask(api).status for _ in range(4)] == [202, 202, 202, 429]
    reply = ask(api)
    assert reply.json["code"] == "rate_limited"
    assert reply.headers["Retry-After"] == "2"
    assert "30 a minute" in reply.json["detail"]

    api.time.now += 2
    assert [ask(api).status for _ in range(2)] == [202, 429]
    api.time.now += 60
    assert [ask(api).status for _ in range(4)] == [202, 202, 202, 429]


def test_who_waits_as_long_as_is_said_is_let_in() -> None:
    limits = UserLimits(prompts_per_minute=7, prompt_burst=2)
    now, standing, taken = NOW, Standing(), 0
    for _ in range(50):
        try:
            standing = Standing(due_at=standing.next_due(now, limits))
            taken += 1
        except Refusal as refusal:
            now += timedelta(seconds=int(refusal.headers["Retry-After"]))
            standing = Standing(due_at=standing.next_due(now, limits))
            taken += 1
    minutes = (now - NOW) / timedelta(minutes=1)
    assert taken <= 2 + math.ceil(7 * minutes)


def test_a_clock_that_was_wrong_locks_nobody_out() -> None:
    limits = UserLimits()
    ahead = Standing(due_at=NOW + timedelta(minutes=10))
    assert ahead.next_due(NOW, limits) - NOW == timedelta(seconds=1)
    behind = Standing(due_at=NOW - timedelta(minutes=10))
    assert behind.next_due(NOW, limits) - NOW == timedelta(seconds=1)
    with pytest.raises(Refusal):
        Standing(due_at=NOW + timedelta(minutes=1) + CLOCK_SLACK / 2).next_due(NOW, limits)


# --- settings -----------------------------------------------------------------------------


def test_the_environment_sets_the_limits() -> None:
    environment = {variable: "7" for variable, _ in VARIABLES.values()}
    settings = Settings.from_environment({"AISTRATUS_REGISTRY": "/a/b", **environment})
    assert settings.limits == UserLimits(7, 7, 7, 7, 7, 7)
    assert Settings.from_environment({"AISTRATUS_REGISTRY": "/a/b"}).limits == UserLimits()


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "1001", "9" * 5000, "٣"])
def test_a_limit_that_makes_no_sense_is_named(text: str) -> None:
    with pytest.raises(Misconfigured, match="AISTRATUS_LANES_PER_USER must be a whole number"):
        UserLimits.from_environment({"AISTRATUS_LANES_PER_USER": text})


def end(api: Api, job_id: str) -> None:
    api.work(job_id, StateChange(JobState.RUNNING), take=True)
    api.work(job_id, SUCCEEDED)


def _own(api: Api, _: int) -> Reply:
    ports = replace(api.ports, sleep=time.sleep)
    return replace(api, app=build_app(ports)).call("POST", "/infer", HELLO)
