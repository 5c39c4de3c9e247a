"""Open jobs in the states that the steward looks for."""

from aistratus_contracts.event import Delta, StateChange
from aistratus_contracts.states import JobState
from support.doubles.aws import error
from support.router_api import Api

RUNNING = StateChange(JobState.RUNNING)


def stored_unsent(api: Api) -> str:
    def refuse(name: str, _: object) -> None:
        raise error("ServiceUnavailable")

    api.sqs.before = refuse
    job_id: str = api.infer()["job_id"]
    api.sqs.before = lambda *_: None
    return job_id


def running_cancelled(api: Api) -> str:
    """A job that was cancelled a minute ago, and that no worker has ended."""
    job_id: str = api.infer()["job_id"]
    api.work(job_id, RUNNING, Delta("x", (1,)), take=True)
    assert api.call("POST", f"/jobs/{job_id}/cancel").status == 202
    api.time.sleep(60)
    return job_id
