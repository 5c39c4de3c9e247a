"""The steward sends what nobody has sent, and only that."""

import pytest

from aistratus_router.memory import error
from aistratus_router.sweep import Unfinished
from support.router_api import Api


def test_an_empty_outbox_is_left_alone(api: Api) -> None:
    api.infer()
    api.time.sleep(60)

    assert api.steward() == {"sent": 0}
    assert len(api.sent()) == 1


def test_a_fresh_job_is_left_to_its_request(api: Api) -> None:
    stored_unsent(api)
    api.time.sleep(29)

    assert api.steward() == {"sent": 0}
    assert api.sent() == []


def test_all_old_jobs_are_sent_and_forgotten(api: Api) -> None:
    jobs = [stored_unsent(api) for _ in range(5)]
    api.time.sleep(31)

    assert api.steward() == {"sent": 5}
    assert sorted(api.sent()) == sorted(jobs)
    assert api.outbox() == []
    assert api.steward() == {"sent": 0}


def test_one_job_that_cannot_be_sent_does_not_hold_the_others(api: Api) -> None:
    jobs = sorted(stored_unsent(api) for _ in range(3))
    api.time.sleep(31)

    def refuse(name: str, call: dict[str, str]) -> None:
        if name == "send_message" and call["MessageDeduplicationId"] == jobs[0]:
            raise error("ServiceUnavailable")

    api.sqs.before = refuse
    with pytest.raises(Unfinished, match="1 jobs"):
        api.steward()
    assert sorted(api.sent()) == jobs[1:]
    assert api.outbox() == jobs[:1]


def stored_unsent(api: Api) -> str:
    def refuse(name: str, _: object) -> None:
        raise error("ServiceUnavailable")

    api.sqs.before = refuse
    job_id: str = api.infer()["job_id"]
    api.sqs.before = lambda *_: None
    return job_id
