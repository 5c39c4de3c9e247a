"""A queue keeps what it was told, attribute by attribute, as Terraform tells it."""

import json
from typing import Any
from uuid import uuid4

import pytest

DENY = {"Sid": "s", "Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*"}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [DENY]})
ALLOW = json.dumps({"redrivePermission": "denyAll"})


@pytest.fixture
def told(sqs: Any) -> Any:
    """A fresh queue's way to be told and asked."""
    name = f"{uuid4()}.fifo"
    url = sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"]

    def tell_and_ask(*asked: str, **attributes: str) -> dict[str, str]:
        if attributes:
            sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(asked))
        found: dict[str, str] = answer.get("Attributes", {})
        return found

    return tell_and_ask


def test_one_attribute_leaves_the_others_alone(told: Any) -> None:
    told("All", Policy=POLICY)
    found = told("All", RedriveAllowPolicy=ALLOW)
    assert (found["Policy"], found["RedriveAllowPolicy"]) == (POLICY, ALLOW)
    assert told("RedriveAllowPolicy", VisibilityTimeout="7") == {"RedriveAllowPolicy": ALLOW}
    assert told("VisibilityTimeout", "Policy") == {"VisibilityTimeout": "7", "Policy": POLICY}


def test_what_was_never_set_or_taken_back_is_not_there(told: Any) -> None:
    assert told("RedriveAllowPolicy") == {}
    assert "RedriveAllowPolicy" not in told("All")
    told("All", RedriveAllowPolicy=ALLOW, Policy=POLICY)
    found = told("All", RedriveAllowPolicy="", Policy="")
    assert found.keys() & {"RedriveAllowPolicy", "Policy"} == set()
