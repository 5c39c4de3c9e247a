"""An operator sees what lies in the dead-letter queue, and puts back what can be."""

import json
from typing import Any

import pytest

from aistratus_contracts.errors import JobErrorCode
from aistratus_contracts.event import JobError, StateChange
from aistratus_contracts.states import JobState
from aistratus_operator import redrive
from aistratus_operator.arguments import read
from aistratus_operator.errors import Usage
from aistratus_operator.redrive_request import Request
from support.router_api import Api, Emulator, emulator_api

RUNNING = StateChange(JobState.RUNNING)
NOBODYS_JOB = "job-" + "a" * 24


def test_an_empty_queue_is_said_to_be_empty(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(api) == 0
    assert capsys.readouterr().out == "The dead-letter queue is empty.\n"
    assert run(api, "--json") == 0
    assert capsys.readouterr().out == "[]\n"


def test_the_list_says_what_each_letter_is(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    job = api.infer()
    api.bury(job["job_id"], group=job["conversation_id"])
    poison = poisoned(api)
    api.bury("", body="{}", reason="QueueMessage\nneeds the field 'v'.", group="somebody")

    assert run(api) == 0
    shown = capsys.readouterr()
    head, *lines = shown.out.splitlines()
    assert head.split() == ["JOB", "CONVERSATION", "STATE", "AGE", "RECEIVED", "REASON", "DONE"]
    assert [line.split()[:3] for line in lines] == [
        [job["job_id"], job["conversation_id"], "queued"],
        [poison, api.record(poison).job.conversation_id, "failed"],
        ["-", "-", "unreadable"],
    ]
    assert "received too often" in lines[0]
    assert "It brought down the engine." in lines[1]
    assert "QueueMessage needs the field" in lines[2]
    assert "--all" in shown.err
    assert api.dead_letters() == 3


def test_as_json_it_has_all_there_is(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    poison = poisoned(api)

    (letter,) = listed(api, capsys)
    assert letter.pop("message_id")
    assert letter.pop("age_seconds") >= 0
    assert letter == {
        "job_id": poison,
        "conversation_id": api.record(poison).job.conversation_id,
        "state": "failed",
        "fate": "poison",
        "received": 1,
        "reason": "It brought down the engine.",
        "done": "",
    }
    assert listed(api, capsys)[0]["received"] == 2


def test_an_open_job_is_put_back_by_its_id(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = [api.infer()["job_id"] for _ in range(2)]
    api.lose_messages()
    for job_id in jobs:
        api.bury(job_id, reason="Set aside by a worker.")

    assert run(api, "--job", jobs[0]) == 0
    assert "put back" in capsys.readouterr().out
    assert api.lose_messages() == [f'{{"v":1,"job_id":"{jobs[0]}"}}']
    assert [letter["job_id"] for letter in listed(api, capsys)] == [jobs[1]]


def test_what_has_ended_is_not_begun_again(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    poison, job_id = poisoned(api), api.infer()["job_id"]
    api.lose_messages()
    api.bury(job_id)
    before = api.record(poison)

    assert run(api, "--all") == 1
    shown = capsys.readouterr()
    assert "its job ended as poison" in shown.out
    assert "--delete" in shown.err
    assert api.lose_messages() == [f'{{"v":1,"job_id":"{job_id}"}}']
    assert api.record(poison) == before
    assert api.dead_letters() == 1

    assert run(api, "--job", poison, "--delete") == 0
    assert "deleted" in capsys.readouterr().out
    assert api.dead_letters() == 0
    assert api.record(poison) == before


def test_delete_still_puts_back_what_can_be(api: Api) -> None:
    job_id = api.infer()["job_id"]
    api.lose_messages()
    api.bury(job_id)
    api.bury(NOBODYS_JOB)
    api.bury("", body="?", group="somebody")

    assert run(api, "--all", "--delete") == 0
    assert len(api.lose_messages()) == 1
    assert api.dead_letters() == 0


def test_what_only_another_release_can_read_is_put_back_as_it_is(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    api.bury("", body='{"v":2}', group="ann.3")

    (letter,) = listed(api, capsys)
    assert (letter["fate"], letter["state"]) == ("other_release", "other_release")
    assert run(api, "--all") == 0
    assert "put back" in capsys.readouterr().out
    assert api.lose_messages() == ['{"v":2}']
    assert api.dead_letters() == 0


def test_a_job_that_is_not_there_is_said_to_be_so(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(api, "--job", NOBODYS_JOB) == 1
    assert f"{NOBODYS_JOB} is not in the dead-letter queue." in capsys.readouterr().err


def test_letters_behind_others_of_their_conversation_are_counted(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(12):
        api.bury(NOBODYS_JOB, group="one")

    assert run(api) == 0
    assert "2 more" in capsys.readouterr().err
    assert run(api, "--all", "--delete") == 0
    assert api.dead_letters() == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--job", "job-1"], "'job-1' is no job id"),
        (["--job", NOBODYS_JOB + "\n"], "is no job id"),
        (["--all", "--job", NOBODYS_JOB], "not both"),
        (["--delete"], "Say what to delete"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_asked(
    arguments: list[str], sentence: str
) -> None:
    with pytest.raises(Usage, match=sentence):
        requested(*arguments)


def test_it_finds_what_the_environment_names(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = emulator_api(emulator)
    addresses = api.registry.addresses
    urls = addresses.queue_url, addresses.dead_letter_queue_url
    emulator.register("/aistratus/redrive", addresses.table_name, urls)
    job_id = api.infer()["job_id"]
    api.lose_messages()
    api.bury(job_id)

    environment = emulator.environment("/aistratus/redrive")
    assert run_in(environment, monkeypatch, "--all", "--json") == 0
    assert [letter["done"] for letter in json.loads(capsys.readouterr().out)] == ["put back"]
    assert api.lose_messages() == [f'{{"v":1,"job_id":"{job_id}"}}']


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "The registry has no /aistratus/nowhere/"),
        ({"AISTRATUS_REGISTRY": ""}, "AISTRATUS_REGISTRY must hold"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "Check your credentials"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}, "the region"),
    ],
)
def test_what_is_wrong_with_the_environment_is_one_sentence(
    emulator: Emulator,
    changes: dict[str, str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    environment = {**emulator.environment("/aistratus/nowhere"), **changes}
    assert run_in(environment, monkeypatch) == 1
    told = capsys.readouterr()
    assert words in told.err
    assert len(told.err.splitlines()) == 1
    assert told.out == ""


def run_in(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    for name, value in {**environment, "AWS_EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(name, value)
    return redrive.run(requested(*arguments), environment)


def requested(*arguments: str) -> Request:
    request: Request = read(["redrive", *arguments], {}).request
    return request


def run(api: Api, *arguments: str) -> int:
    return redrive.redrive(requested(*arguments), api.ports)


def listed(api: Api, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    assert run(api, "--json") == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def poisoned(api: Api) -> str:
    """A job that has brought down the engine too often, and the letter about it."""
    job_id: str = api.infer()["job_id"]
    api.work(job_id, RUNNING, take=True)
    why = JobError(JobErrorCode.POISON, "It brought down the engine three times.")
    api.work(job_id, why, StateChange(JobState.FAILED))
    api.lose_messages()
    api.bury(job_id, reason="It brought down the engine.")
    return job_id
