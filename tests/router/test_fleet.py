"""A prompt wakes the fleet, once however many ask; people start, stop and set it."""

import io
import json
import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from aistratus_contracts import table
from aistratus_contracts.event import StateChange
from aistratus_contracts.registry import Parameter
from aistratus_contracts.states import JobState
from aistratus_router.api.app import build_app
from aistratus_router.log import logger
from aistratus_router.registry import SsmRegistry
from support.doubles.aws import error
from support.fleet_group import GROUP, MemoryGroup
from support.gateway_events import access_claims
from support.router_api import HELLO, Api, Emulator, Reply, emulator_api

CHANGES = ("set_desired_capacity", "update_auto_scaling_group")


# --- woken by a prompt --------------------------------------------------------------------


def test_a_prompt_wakes_a_fleet_that_is_off(fleet: Api) -> None:
    assert shown(fleet)["state"] == "off"
    fleet.infer()

    assert fleet.autoscaling.calls[-1] == (
        "set_desired_capacity",
        {
            "AutoScalingGroupName": fleet.registry.addresses.group_name,
            "DesiredCapacity": 1,
            "HonorCooldown": False,
        },
    )
    assert desired(fleet) == 1
    assert shown(fleet) == {
        "managed": True,
        "state": "requested",
        "queue_depth": 1,
        "idle_timeout_seconds": 600,
        "purchase": "spot",
    }


def test_a_prompt_to_a_fleet_that_is_on_asks_for_nothing(fleet: Api) -> None:
    for _ in range(5):
        fleet.infer()

    assert changes(fleet) == ["set_desired_capacity"]


def test_of_many_prompts_at_once_one_wakes_the_fleet(emulator: Emulator) -> None:
    api = emulator_api(emulator)
    api.give_fleet(emulator.create_group())
    start = threading.Barrier(24)
    statuses: list[int] = []

    def ask() -> None:
        mine = another_process(api)
        start.wait()
        statuses.append(mine.call("POST", "/infer", HELLO).status)

    crowd = [threading.Thread(target=ask) for _ in range(24)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()

    assert statuses == [202] * 24
    assert changes(api) == ["set_desired_capacity"]
    assert shown(api)["queue_depth"] == 24


def test_the_job_is_sent_before_the_fleet_is_woken(quick_fleet: Api) -> None:
    sent: list[list[str]] = []
    quick_fleet.autoscaling.before = lambda *_: sent.append(quick_fleet.sent())
    job = quick_fleet.infer()

    assert sent == [[job["job_id"]]]


@pytest.mark.parametrize(
    "failure",
    [
        error("AccessDenied"),
        error("ScalingActivityInProgress"),
        EndpointConnectionError(endpoint_url="https://aws.test"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_a_fleet_that_cannot_be_woken_refuses_no_prompt_and_the_steward_wakes_it(
    fleet: Api, failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", log)
    break_down(fleet, failure)
    fleet.infer()
    assert "waking the fleet failed; the steward will do it" in log.getvalue()
    fleet.autoscaling.before = lambda *_: None
    assert desired(fleet) == 0

    assert fleet.steward() == {"fleet_woken": 1}
    assert desired(fleet) == 1
    assert fleet.steward() == {}


def test_a_table_that_fails_after_the_job_is_stored_refuses_no_prompt(quick_fleet: Api) -> None:
    def refuse(name: str, call: dict[str, Any]) -> None:
        if call.get("Key") == table.group_key():
            raise error("InternalServerError")

    quick_fleet.dynamodb.before = refuse
    quick_fleet.infer()
    quick_fleet.dynamodb.before = lambda *_: None

    assert quick_fleet.steward() == {"fleet_woken": 1}


def test_the_same_prompt_again_wakes_a_fleet_that_was_stopped_unless_it_has_its_answer(
    fleet: Api,
) -> None:
    body = {**HELLO, "request_id": "r-1"}
    job_id = fleet.infer(body)["job_id"]
    operate(fleet, "POST", "/stop")
    fleet.infer(body)
    assert desired(fleet) == 1

    fleet.work(job_id, StateChange(JobState.RUNNING), take=True)
    fleet.work(job_id, StateChange(JobState.SUCCEEDED))
    operate(fleet, "POST", "/stop")
    fleet.infer(body)
    assert desired(fleet) == 0


def test_a_prompt_that_is_refused_wakes_nothing(quick_fleet: Api) -> None:
    assert quick_fleet.call("POST", "/infer", {"messages": []}).status == 422
    assert quick_fleet.autoscaling.calls == []


# --- started and stopped by hand ----------------------------------------------------------


def test_start_and_stop(fleet: Api) -> None:
    assert operate(fleet, "POST", "/start").json["state"] == "requested"
    assert desired(fleet) == 1
    fleet.sign()
    assert shown(fleet)["state"] == "running"

    # In the emulator, and here in memory, an instance is gone at once.
    assert operate(fleet, "POST", "/stop").json["state"] == "off"
    assert desired(fleet) == 0


def test_an_instance_that_is_not_gone_yet_drains(quick_fleet: Api) -> None:
    operate(quick_fleet, "POST", "/start")
    group(quick_fleet).is_slow = True

    assert operate(quick_fleet, "POST", "/stop").json["state"] == "draining"
    group(quick_fleet).work()
    assert shown(quick_fleet)["state"] == "off"


def test_a_worker_that_drains_is_not_the_one_that_is_asked_for(quick_fleet: Api) -> None:
    operate(quick_fleet, "POST", "/start")
    quick_fleet.sign()
    group(quick_fleet).is_slow = True
    operate(quick_fleet, "POST", "/stop")
    assert shown(quick_fleet)["state"] == "draining"
    group(quick_fleet).states = ["Terminating:Wait"]

    assert operate(quick_fleet, "POST", "/start").json["state"] == "requested"


def test_asking_again_changes_nothing(fleet: Api) -> None:
    for path in ("/start", "/start", "/stop", "/stop"):
        operate(fleet, "POST", path)

    calls = [c["DesiredCapacity"] for name, c in fleet.autoscaling.calls if name == CHANGES[0]]
    assert calls == [1, 0, 0]


def test_a_start_does_not_take_instances_away(quick_fleet: Api) -> None:
    operate(quick_fleet, "POST", "/start")
    group(quick_fleet).desired = 2
    operate(quick_fleet, "POST", "/start")

    assert desired(quick_fleet) == 2


def test_who_changes_their_mind_while_it_is_done_gets_what_they_said_last(
    quick_fleet: Api,
) -> None:
    """Start and stop at once: the last word is done, whichever call comes first at AWS."""
    before: list[str] = ["/stop"]

    def meanwhile(name: str, _: object) -> None:
        if name == "set_desired_capacity" and before:
            operate(quick_fleet, "POST", before.pop())

    quick_fleet.autoscaling.before = meanwhile
    operate(quick_fleet, "POST", "/start")
    assert desired(quick_fleet) == 0

    before = ["/start"]
    operate(quick_fleet, "POST", "/stop")
    assert desired(quick_fleet) == 1


@pytest.mark.parametrize("path", ["/start", "/stop"])
def test_a_start_or_stop_that_fails_says_so_and_is_done_by_the_steward(
    quick_fleet: Api, path: str
) -> None:
    if path == "/stop":
        operate(quick_fleet, "POST", "/start")
    break_down(quick_fleet, error("Throttling"))
    reply = quick_fleet.call("POST", path, claims=operator())
    assert (reply.status, reply.json["code"]) == (503, "unavailable")

    quick_fleet.autoscaling.before = lambda *_: None
    quick_fleet.steward()
    assert desired(quick_fleet) == (1 if path == "/start" else 0)


def test_a_group_that_is_not_there_is_named_in_the_log(
    quick_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", log)
    quick_api.give_fleet("gone")

    assert quick_api.call("GET", "/fleet").status == 500
    assert "There is no Auto Scaling group gone" in log.getvalue()


# --- why a job waits ----------------------------------------------------------------------


def test_a_job_says_that_the_fleet_was_stopped(fleet: Api) -> None:
    job_id = fleet.infer()["job_id"]
    operate(fleet, "POST", "/stop")
    waiting = fleet.call("GET", f"/jobs/{job_id}").json["waiting"]

    assert waiting["reason"] == "worker"
    assert "turned off by hand" in waiting["message"]


# --- the idle timeout ---------------------------------------------------------------------


def test_the_idle_timeout_is_set_for_everybody(emulator: Emulator) -> None:
    emulator.register("/aistratus/timeout", "jobs-7", ("u", "d"), group=GROUP)
    mine, others = (SsmRegistry(emulator.client("ssm"), "/aistratus/timeout") for _ in range(2))
    assert (mine.read().group_name, mine.read().idle_timeout_seconds) == (GROUP, 900)
    mine.set_idle_timeout(60)

    assert mine.read().idle_timeout_seconds == 60
    assert others.read().idle_timeout_seconds == 60
    found = emulator.client("ssm").get_parameter(
        Name=Parameter.IDLE_TIMEOUT.under("/aistratus/timeout")
    )
    assert (found["Parameter"]["Value"], found["Parameter"]["Type"]) == ("60", "String")


def test_the_answer_has_what_was_set(fleet: Api) -> None:
    reply = fleet.call("PUT", "/fleet", {"idle_timeout_seconds": 1800}, claims=operator())

    assert reply.status == 200, reply.text
    assert reply.json["idle_timeout_seconds"] == 1800
    assert shown(fleet)["idle_timeout_seconds"] == 1800


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "/idle_timeout_seconds"),
        ({"idle_timeout_seconds": 59}, "/idle_timeout_seconds"),
        ({"idle_timeout_seconds": 86_401}, "/idle_timeout_seconds"),
        ({"idle_timeout_seconds": "600"}, "/idle_timeout_seconds"),
        ({"idle_timeout_seconds": 600.5}, "/idle_timeout_seconds"),
        ({"idle_timeout_seconds": None}, "/idle_timeout_seconds"),
        ({"idle_timeout_seconds": True}, "/idle_timeout_seconds"),
        ({"idle_timeout_seconds": 10**30}, "/idle_timeout_seconds"),
        ({"idle_timeout_seconds": 600, "state": "off"}, "/state"),
        ([], ""),
    ],
)
def test_an_idle_timeout_that_cannot_be_is_refused_by_name(
    quick_fleet: Api, body: Any, field: str
) -> None:
    reply = quick_fleet.call("PUT", "/fleet", body, claims=operator())

    assert reply.status == 422
    assert field in reply.fields
    assert quick_fleet.registry.addresses.idle_timeout_seconds == 600


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/fleet"), ("PUT", "/fleet"), ("POST", "/start"), ("POST", "/stop")],
)
def test_a_query_that_nobody_knows_is_refused_by_name(
    quick_fleet: Api, method: str, path: str
) -> None:
    claims = access_claims(scope="aistratus/infer aistratus/operate")
    body = {"idle_timeout_seconds": 600}
    reply = quick_fleet.call(method, path, body, query="now=1", claims=claims)

    assert (reply.status, reply.fields) == (422, ["?now"])
    assert quick_fleet.autoscaling.calls == []


# --- without a fleet ----------------------------------------------------------------------


def test_where_there_is_no_fleet_nothing_is_called(api: Api) -> None:
    api.infer()
    api.steward()

    assert api.autoscaling.calls == []
    assert not [item for item in api.items() if item["pk"]["S"] == table.FLEET_PARTITION]


def test_where_there_is_no_fleet_its_workers_are_shown(api: Api) -> None:
    assert shown(api) == {"managed": False, "state": "off", "queue_depth": 0}
    api.infer()
    api.sign()
    assert shown(api) == {"managed": False, "state": "running", "queue_depth": 1}
    api.sign(seconds_ago=61)
    assert shown(api)["state"] == "off"


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/fleet"), ("POST", "/start"), ("POST", "/stop")]
)
def test_where_there_is_no_fleet_it_is_not_started_and_stopped(
    quick_api: Api, method: str, path: str
) -> None:
    reply = quick_api.call(method, path, {"idle_timeout_seconds": 600}, claims=operator())

    assert (reply.status, reply.json["code"]) == (409, "no_fleet")
    assert reply.json["detail"].endswith("use what started them.")


def operator() -> dict[str, Any]:
    return access_claims(scope="aistratus/operate")


def operate(api: Api, method: str, path: str) -> Reply:
    reply = api.call(method, path, claims=operator())
    assert reply.status == 202, reply.text
    return reply


def shown(api: Api) -> dict[str, Any]:
    reply = api.call("GET", "/fleet")
    assert reply.status == 200, reply.text
    found: dict[str, Any] = json.loads(reply.text)
    return found


def group(api: Api) -> MemoryGroup:
    found = api.autoscaling._client
    assert isinstance(found, MemoryGroup)
    return found


def desired(api: Api) -> int:
    found = api.autoscaling._client.describe_auto_scaling_groups(
        AutoScalingGroupNames=[api.registry.addresses.group_name]
    )
    return int(found["AutoScalingGroups"][0]["DesiredCapacity"])


def changes(api: Api) -> list[str]:
    return [name for name, _ in api.autoscaling.calls if name in CHANGES]


def break_down(api: Api, failure: Exception) -> None:
    def fail(name: str, _: object) -> None:
        raise failure

    api.autoscaling.before = fail


def another_process(api: Api) -> Api:
    """Another process of the same router: an app of its own over the same world.

    Who is overtaken really waits: those who do not would overtake one another for ever.
    """
    return replace(api, app=build_app(replace(api.ports, sleep=time.sleep)))
