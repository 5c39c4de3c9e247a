"""What must hold for every refusal of a prompt."""

from typing import Any

from aistratus_contracts.problem import PROBLEM_CONTENT_TYPE, problem_from_plain
from support.router_api import Api, Reply


def refused(api: Api, body: Any, **options: Any) -> Reply:
    """The answer to a bad /infer: a good problem document, and nothing was touched."""
    reply = api.call("POST", "/infer", body, **options)
    assert 400 <= reply.status < 500, reply.text
    assert reply.headers["Content-Type"] == PROBLEM_CONTENT_TYPE
    problem = problem_from_plain(reply.json)
    assert problem.status == reply.status
    assert problem.detail.endswith(".")
    assert all(error.message.endswith(".") for error in problem.errors)
    assert api.dynamodb.calls == []
    assert api.sqs.calls == []
    return reply
