"""When AWS is slow, throttles or refuses, the caller hears what to do, and the log what it was."""

import io
import json

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)

from aistratus_router.errors import Misconfigured, Unavailable
from support.doubles.aws import error
from support.router_api import HELLO, Api

URL = "https://aws.test"
PASSING = [
    error("ThrottlingException"),
    error("ProvisionedThroughputExceededException"),
    error("RequestLimitExceeded"),
    error("InternalServerError"),
    error("TransactionInProgressException"),
    error("OddFailure", ResponseMetadata={"HTTPStatusCode": 503}),
    EndpointConnectionError(endpoint_url=URL),
    ConnectTimeoutError(endpoint_url=URL),
    ReadTimeoutError(endpoint_url=URL),
    Unavailable("The registry did not answer."),
]
LASTING = [
    error("AccessDeniedException"),
    error("ResourceNotFoundException"),
    error("ValidationException"),
    NoCredentialsError(),
    ParamValidationError(report="text of a prompt"),
    Misconfigured("The registry has no jobs/table_name."),
    KeyError("job"),
]
REQUESTS = [
    ("POST", "/infer"),
    ("GET", "/jobs/job-aaaaaaaaaaaaaaaaaaaaaaaa"),
    ("GET", "/jobs/job-aaaaaaaaaaaaaaaaaaaaaaaa/events"),
    ("POST", "/jobs/job-aaaaaaaaaaaaaaaaaaaaaaaa/cancel"),
    ("GET", "/conversations"),
    ("DELETE", "/conversations/conv-aaaaaaaaaaaaaaaaaaaaaaaa"),
]


@pytest.mark.parametrize("failure", PASSING, ids=lambda failure: str(failure)[:40])
@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_what_passes_is_worth_another_try(
    quick_api: Api, method: str, path: str, failure: Exception
) -> None:
    break_down(quick_api, failure)
    reply = quick_api.call(method, path, HELLO)

    assert (reply.status, reply.json["code"]) == (503, "unavailable")
    assert int(reply.headers["Retry-After"]) > 0


@pytest.mark.parametrize("failure", LASTING, ids=lambda failure: type(failure).__name__)
@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_what_lasts_is_ours_to_mend(
    quick_api: Api, method: str, path: str, failure: Exception, log: io.StringIO
) -> None:
    break_down(quick_api, failure)
    reply = quick_api.call(method, path, HELLO)

    assert (reply.status, reply.json["code"]) == (500, "internal")
    assert quick_api.context.aws_request_id in reply.json["detail"]
    written = [json.loads(line) for line in log.getvalue().splitlines()]
    (told,) = (line for line in written if line["level"] == "ERROR")
    assert told["request_id"] == quick_api.context.aws_request_id
    assert type(failure).__name__ in told["error_kinds"][0]
    assert told["error_stack"]
    assert "text of a prompt" not in log.getvalue() + reply.text
    if isinstance(failure, ClientError):
        assert failure.response["Error"]["Code"] in told["error_kinds"][0]
    if isinstance(failure, Misconfigured):
        assert told["error_words"] == [str(failure)]


def test_an_outage_of_the_queue_is_told_to_the_log_only(quick_api: Api, log: io.StringIO) -> None:
    def refuse(name: str, _: object) -> None:
        raise EndpointConnectionError(endpoint_url=URL)

    quick_api.sqs.before = refuse
    job = quick_api.infer()

    assert job["job_id"] in log.getvalue()
    assert "the steward will send it" in log.getvalue()
    assert quick_api.unsent() == [job["job_id"]]


def break_down(api: Api, failure: Exception) -> None:
    def fail(name: str, _: object) -> None:
        raise failure

    api.dynamodb.before = fail
