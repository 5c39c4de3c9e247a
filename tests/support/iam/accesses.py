"""From an AWS request on the wire to the accesses that IAM judges.

AWS's "Service Authorization Reference" says which action an operation needs, and on which resource.
An operation not listed here is an error: look it up there.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from support.http_frames import HttpMessage
from support.iam.policies import Access

ACCOUNT: Final = "123456789012"  # the emulator's

Body = Mapping[str, Any]


class UnknownCall(Exception):
    """A call whose needs are not known."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request: the service and region it was signed for, its operation and parameters."""

    service: str
    region: str
    operation: str
    body: Body

    def arn(self, rest: str) -> str:
        """The ARN of something of this service, in this region and account."""
        return f"arn:aws:{self.service}:{self.region}:{ACCOUNT}:{rest}"


def read_call(request: HttpMessage) -> Call:
    """What a request asks for; raises `UnknownCall`."""
    # The credential's scope: key, day, region, service and a constant, with slashes between.
    scope = request.header("authorization").partition("Credential=")[2].partition(",")[0]
    parts = scope.split("/")
    if len(parts) != 5:
        raise UnknownCall(f"This is not signed: {request.first_line}")
    target = request.header("x-amz-target")
    if target:
        return Call(parts[3], parts[2], target.rpartition(".")[2], request.json)
    form = dict(parse_qsl(request.body.decode()))
    if "Action" not in form:
        raise UnknownCall(f"Of {parts[3]}: {request.first_line}")
    return Call(parts[3], parts[2], form["Action"], form)


def accesses_of(call: Call, group_arn: Callable[[str], str]) -> list[Access]:
    """What a call needs to be allowed; `group_arn` gives the ARN of a named Auto Scaling group.

    Raises `UnknownCall`.
    """
    match call.service:
        case "dynamodb":
            return list(_table(call))
        case "sqs":
            return [_queue(call)]
        case "ssm":
            return list(_parameters(call))
        case "autoscaling":
            return [_group(call, group_arn)]
        case _:
            raise _unknown(call)


# --- DynamoDB -----------------------------------------------------------------------------

_TABLE_ACTIONS: Final = frozenset({"GetItem", "PutItem", "UpdateItem", "DeleteItem"})
# A transaction needs what its parts would need alone, and no action of its own.
_TRANSACTION_PARTS: Final = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
    "Get": "GetItem",
}
_BATCHES: Final = frozenset({"BatchGetItem", "BatchWriteItem"})


def _table(call: Call) -> Iterator[Access]:
    body, operation = call.body, call.operation
    if operation in _TABLE_ACTIONS:
        yield _on_table(call, operation, body["TableName"])
    elif operation in ("Query", "Scan"):
        # With an index, IAM asks about the index, not about the table itself.
        index = f"/index/{body['IndexName']}" if "IndexName" in body else ""
        yield _on_table(call, operation, body["TableName"] + index)
    elif operation in _BATCHES:
        for table in body["RequestItems"]:
            yield _on_table(call, operation, table)
    elif operation in ("TransactWriteItems", "TransactGetItems"):
        for item in body["TransactItems"]:
            ((part, what),) = item.items()
            yield _on_table(call, _TRANSACTION_PARTS[part], what["TableName"])
    else:
        raise _unknown(call)


def _on_table(call: Call, action: str, path: str) -> Access:
    return Access(f"dynamodb:{action}", call.arn(f"table/{path}"))


# --- SQS ----------------------------------------------------------------------------------

_QUEUE_ACTIONS: Final = {
    "SendMessage": "SendMessage",
    "ReceiveMessage": "ReceiveMessage",
    "DeleteMessage": "DeleteMessage",
    "ChangeMessageVisibility": "ChangeMessageVisibility",
    "GetQueueAttributes": "GetQueueAttributes",
    # A batch needs what its entries need.
    "SendMessageBatch": "SendMessage",
    "DeleteMessageBatch": "DeleteMessage",
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
}


def _queue(call: Call) -> Access:
    if call.operation not in _QUEUE_ACTIONS:
        raise _unknown(call)
    name = urlsplit(call.body["QueueUrl"]).path.rpartition("/")[2]
    return Access(f"sqs:{_QUEUE_ACTIONS[call.operation]}", call.arn(name))


# --- SSM ----------------------------------------------------------------------------------


def _parameters(call: Call) -> Iterator[Access]:
    match call.operation:
        case "GetParameters":
            names = call.body["Names"]
        case "GetParameter" | "PutParameter" | "DeleteParameter":
            names = [call.body["Name"]]
        case "GetParametersByPath":
            # IAM asks about the path itself, not about what lies below it.
            names = [call.body["Path"]]
        case _:
            raise _unknown(call)
    for name in names:
        # A name that begins with a slash has it once: arn:…:parameter/aistratus/dev/…
        yield Access(f"ssm:{call.operation}", call.arn(f"parameter/{name.removeprefix('/')}"))


# --- Auto Scaling -------------------------------------------------------------------------

_LOOKS: Final = frozenset({"DescribeAutoScalingGroups", "DescribeScalingActivities"})
_GROUP_ACTIONS: Final = frozenset(
    {"SetDesiredCapacity", "UpdateAutoScalingGroup", "CompleteLifecycleAction"}
)


def _group(call: Call, group_arn: Callable[[str], str]) -> Access:
    if call.operation in _LOOKS:
        # These have no resource: IAM compares with everything.
        return Access(f"autoscaling:{call.operation}", "*")
    if call.operation in _GROUP_ACTIONS:
        arn = group_arn(call.body["AutoScalingGroupName"])
        return Access(f"autoscaling:{call.operation}", arn)
    raise _unknown(call)


def _unknown(call: Call) -> UnknownCall:
    shown = json.dumps(dict(call.body))[:200]
    return UnknownCall(
        f"What {call.service}:{call.operation} needs is not known. Look it up in the Service "
        f"Authorization Reference and add it to {__name__}. It was asked with {shown}"
    )
