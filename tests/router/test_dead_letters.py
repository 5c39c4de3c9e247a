"""What SQS set aside goes back once; what a worker set aside stays for a person."""

import json

import pytest

from aistratus_contracts.errors import JobErrorCode
from aistratus_contracts.event import JobError, StateChange
from aistratus_contracts.states import JobState
from aistratus_router.steward.sweep import MAX_DEAD_LETTERS_PER_RUN, Unfinished
from aistratus_router.store.dead_letters import BATCH_SIZE, DeadLetters
from support.doubles.aws import error
from support.next_release import next_release
from support.router_api import Api, Emulator, emulator_api

RUNNING = StateChange(JobState.RUNNING)


def test_an_open_job_s_letter_goes_back_to_the_jobs(api: Api) -> None:
    job_id = lost_to_the_dead(api)

    assert api.steward() == {"put_back": 1}
    assert api.lose_messages() == [f'{{"v":1,"job_id":"{job_id}"}}']
    assert api.dead_letters() == 0


def test_a_message_that_was_received_too_often_goes_back_to_the_jobs(emulator: Emulator) -> None:
    """As it happens: SQS itself moves it, by the queue's redrive policy."""
    api = emulator_api(emulator)
    addresses = api.registry.addresses
    sqs = emulator.client("sqs")
    dead = sqs.get_queue_attributes(
        QueueUrl=addresses.dead_letter_queue_url, AttributeNames=["QueueArn"]
    )
    policy = {"deadLetterTargetArn": dead["Attributes"]["QueueArn"], "maxReceiveCount": 1}
    sqs.set_queue_attributes(
        QueueUrl=addresses.queue_url, Attributes={"RedrivePolicy": json.dumps(policy)}
    )
    job_id = api.infer()["job_id"]
    for _ in range(2):
        received = sqs.receive_message(QueueUrl=addresses.queue_url).get("Messages", [])
        for message in received:
            sqs.change_message_visibility(
                QueueUrl=addresses.queue_url,
                ReceiptHandle=message["ReceiptHandle"],
                VisibilityTimeout=0,
            )
    assert api.dead_letters() == 1

    assert api.steward() == {"put_back": 1}
    assert api.lose_messages() == [f'{{"v":1,"job_id":"{job_id}"}}']
    assert api.dead_letters() == 0


def test_it_goes_back_once_and_then_stays(api: Api) -> None:
    job_id = lost_to_the_dead(api)
    api.steward()
    api.lose_messages()
    api.bury(job_id)

    assert api.steward() == {"dead": 1}
    assert api.steward() == {"dead": 1}
    assert api.lose_messages() == []
    assert api.dead_letters() == 1


def test_what_a_worker_set_aside_stays_also_before_the_job_ends(api: Api) -> None:
    job_id = api.infer()["job_id"]
    api.lose_messages()
    api.bury(job_id, reason="It brought down the engine three times.")

    assert api.steward() == {"dead": 1}
    assert api.dead_letters() == 1


def test_letters_of_jobs_that_ended_or_are_gone_or_nobody_can_read_stay(api: Api) -> None:
    poison, ended, gone = (api.infer()["job_id"] for _ in range(3))
    api.work(poison, RUNNING, take=True)
    why = JobError(JobErrorCode.POISON, "It brought down the engine.")
    api.work(poison, why, StateChange(JobState.FAILED))
    api.call("POST", f"/jobs/{ended}/cancel")
    conversation = api.record(gone).job.conversation_id
    api.call("DELETE", f"/conversations/{conversation}")
    for job_id in (poison, ended, gone):
        api.bury(job_id)
    api.bury("", body="not JSON", group="somebody")
    api.lose_messages()

    assert api.steward() == {"dead": 4}
    assert api.lose_messages() == []
    assert api.dead_letters() == 4


def test_a_letter_that_only_another_release_can_read_goes_back_as_it_is(api: Api) -> None:
    body = '{"v":2,"job":{"id":"job-of-tomorrow"}}'
    for again in (1, 2):
        api.bury("", body=body, group="ann.3")

        assert api.steward() == {"put_back": 1}, f"time {again}"
        assert api.take_messages(api.registry.addresses.queue_url) == [(body, "ann.3")]
        assert api.dead_letters() == 0


def test_a_letter_whose_job_only_another_release_can_read_goes_back(api: Api) -> None:
    with next_release(version=2):
        job_id = api.infer()["job_id"]
        api.lose_messages()
    body = f'{{"v":1,"job_id":"{job_id}"}}'
    api.bury(job_id, body=body, group="ann.3")

    assert api.steward() == {"put_back": 1}
    assert api.take_messages(api.registry.addresses.queue_url) == [(body, "ann.3")]
    assert api.dead_letters() == 0


def test_a_worker_s_letter_of_another_release_stays(api: Api) -> None:
    api.bury("", body='{"v":2}', group="ann.3", reason="It brought down the engine three times.")

    assert api.steward() == {"dead": 1}
    assert api.dead_letters() == 1


def test_a_letter_in_trouble_does_not_hold_the_others(api: Api) -> None:
    jobs = [lost_to_the_dead(api) for _ in range(3)]

    def refuse(name: str, call: dict[str, str]) -> None:
        if name == "send_message" and jobs[1] in call["MessageBody"]:
            raise error("ServiceUnavailable")

    api.sqs.before = refuse
    with pytest.raises(Unfinished):
        api.steward()
    api.sqs.before = lambda *_: None
    assert api.steward() == {"put_back": 1}
    assert sorted(set(api.sent()[3:])) == sorted(jobs)
    assert api.dead_letters() == 0


def test_a_dead_letter_queue_that_does_not_answer_does_not_hold_the_jobs(api: Api) -> None:
    job_id = api.infer()["job_id"]
    api.lose_messages()
    api.time.sleep(301)

    def refuse(name: str, _: object) -> None:
        if name == "get_queue_attributes":
            raise error("ServiceUnavailable")

    api.sqs.before = refuse
    with pytest.raises(Unfinished):
        api.steward()
    assert api.lose_messages() == [f'{{"v":1,"job_id":"{job_id}"}}']


def test_two_sweeps_at_once_put_one_message_back(api: Api) -> None:
    lost_to_the_dead(api)
    others: list[dict[str, int]] = []

    def sweep_too(name: str, _: object) -> None:
        if name == "send_message":
            api.sqs.before = lambda *_: None
            others.append(api.steward())

    api.sqs.before = sweep_too
    assert api.steward() == {"put_back": 1}
    assert others == [{}]
    assert len(api.lose_messages()) == 1


def test_a_round_looks_at_a_bounded_number_of_letters(quick_api: Api) -> None:
    for _ in range(MAX_DEAD_LETTERS_PER_RUN + 20):
        quick_api.bury("job-" + "a" * 24, group=f"g{quick_api.dead_letters()}")

    assert quick_api.steward() == {"dead": MAX_DEAD_LETTERS_PER_RUN}
    assert quick_api.dead_letters() == MAX_DEAD_LETTERS_PER_RUN + 20


def test_letters_are_anybodys_again_after_a_look(api: Api) -> None:
    for number in range(BATCH_SIZE + 2):
        api.bury("job-" + "a" * 24, group=f"g{number}", reason=f"r{number}")
    letters = DeadLetters(api.sqs._client, api.registry.addresses.dead_letter_queue_url)

    with letters.held(100) as held:
        assert [letter.reason for letter in held] == [f"r{n}" for n in range(BATCH_SIZE + 2)]
        assert letters.count() == 0
        assert letters.total() == BATCH_SIZE + 2
        letters.delete(held[0])
    assert letters.count() == BATCH_SIZE + 1
    with letters.held(100) as held:
        assert {letter.received for letter in held} == {2}


def lost_to_the_dead(api: Api) -> str:
    """A job whose message SQS has moved to the dead-letter queue."""
    job_id: str = api.infer()["job_id"]
    api.lose_messages()
    api.bury(job_id)
    return job_id
