"""A gate knows what each call needs, lets through what the role allows, and writes all down.

The calls are real: boto3 makes them, and the emulator answers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from aistratus_contracts.table import TABLE_SCHEMA
from support.emulator_process import running_emulator_process
from support.http_frames import HttpMessage
from support.iam.accesses import ACCOUNT, Call
from support.iam.gate import Gate, open_gates
from support.iam.policies import Role

REGION = "eu-central-1"
KEY = {"pk": {"S": "a"}, "sk": {"S": "b"}}
ITEM = {**KEY, "listed_at": {"S": "c"}}
GROUP_ARN = f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:autoScalingGroup:id:autoScalingGroupName/g"
EVERYTHING = [{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}]


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    with running_emulator_process() as url:
        client("dynamodb", url).create_table(TableName="t", **TABLE_SCHEMA)
        client("sqs", url).create_queue(QueueName="q.fifo", Attributes={"FifoQueue": "true"})
        client("ssm", url).put_parameter(Name="/a/b/c", Value="v", Type="String")
        yield url


def client(service: str, url: str) -> Any:
    session = boto3.Session("test", "test", region_name=REGION)
    made: Any = session.client
    return made(service, endpoint_url=url, config=Config(retries={"total_max_attempts": 1}))


@contextmanager
def gate_of(emulator: str, documents: list[Any], **more: Any) -> Iterator[Gate]:
    gate = Gate(Role.of("a-role", documents), emulator, lambda _: GROUP_ARN, **more)
    with open_gates(gate):
        yield gate


def asked(gate: Gate) -> list[tuple[str, str]]:
    found = [(each.access.action, each.access.resource) for each in gate.judged]
    gate.judged.clear()
    return found


def test_what_each_call_needs(emulator: str) -> None:
    table = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/t"
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:q.fifo"
    parameter = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter"
    with gate_of(emulator, EVERYTHING) as gate:
        dynamodb, sqs, ssm = (client(name, gate.url) for name in ("dynamodb", "sqs", "ssm"))

        dynamodb.put_item(TableName="t", Item=ITEM)
        dynamodb.get_item(TableName="t", Key=KEY)
        assert asked(gate) == [("dynamodb:PutItem", table), ("dynamodb:GetItem", table)]

        condition: dict[str, Any] = {
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": "a"}},
        }
        dynamodb.query(TableName="t", **condition)
        dynamodb.query(TableName="t", IndexName="by_recency", **condition)
        assert asked(gate) == [
            ("dynamodb:Query", table),
            ("dynamodb:Query", f"{table}/index/by_recency"),
        ]

        other = {"pk": {"S": "x"}, "sk": {"S": "y"}}
        dynamodb.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": "t", "Item": other}},
                {"Delete": {"TableName": "t", "Key": KEY}},
            ]
        )
        assert asked(gate) == [("dynamodb:PutItem", table), ("dynamodb:DeleteItem", table)]

        dynamodb.batch_write_item(RequestItems={"t": [{"DeleteRequest": {"Key": other}}]})
        assert asked(gate) == [("dynamodb:BatchWriteItem", table)]

        url = client("sqs", emulator).get_queue_url(QueueName="q.fifo")["QueueUrl"]
        sqs.send_message(
            QueueUrl=url, MessageBody="m", MessageGroupId="g", MessageDeduplicationId="d"
        )
        [message] = sqs.receive_message(QueueUrl=url)["Messages"]
        sqs.change_message_visibility_batch(
            QueueUrl=url,
            Entries=[
                {"Id": "1", "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 9}
            ],
        )
        assert asked(gate) == [
            ("sqs:SendMessage", queue),
            ("sqs:ReceiveMessage", queue),
            ("sqs:ChangeMessageVisibility", queue),
        ]

        ssm.get_parameters_by_path(Path="/a/b", Recursive=True)
        ssm.get_parameters(Names=["/a/b/c", "/a/b/d"])
        assert asked(gate) == [
            ("ssm:GetParametersByPath", f"{parameter}/a/b"),
            ("ssm:GetParameters", f"{parameter}/a/b/c"),
            ("ssm:GetParameters", f"{parameter}/a/b/d"),
        ]

        autoscaling = client("autoscaling", gate.url)
        autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=["g"])
        with pytest.raises(ClientError):  # there is no such group
            autoscaling.update_auto_scaling_group(AutoScalingGroupName="g", MaxSize=1)
        assert asked(gate) == [
            ("autoscaling:DescribeAutoScalingGroups", "*"),
            ("autoscaling:UpdateAutoScalingGroup", GROUP_ARN),
        ]
        assert gate.refused() == []


def test_what_the_role_does_not_allow_is_refused_and_not_done(emulator: str) -> None:
    documents = [{"Statement": {"Effect": "Allow", "Action": "dynamodb:Get*", "Resource": "*"}}]
    mine = {"pk": {"S": "never"}, "sk": {"S": "there"}}
    with gate_of(emulator, documents) as gate:
        dynamodb, autoscaling = client("dynamodb", gate.url), client("autoscaling", gate.url)
        for call, code in (
            (lambda: dynamodb.put_item(TableName="t", Item=mine), "AccessDeniedException"),
            (autoscaling.describe_auto_scaling_groups, "AccessDenied"),
        ):
            with pytest.raises(ClientError) as error:
                call()
            assert error.value.response["Error"]["Code"] == code
        assert "Item" not in dynamodb.get_item(TableName="t", Key=mine)
        table = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/t"
        assert gate.refused() == [
            "a-role may not autoscaling:DescribeAutoScalingGroups on * (DescribeAutoScalingGroups)",
            f"a-role may not dynamodb:PutItem on {table} (PutItem)",
        ]


def test_a_call_that_nobody_has_looked_up_is_refused(emulator: str) -> None:
    with gate_of(emulator, EVERYTHING) as gate:
        for call in (client("dynamodb", gate.url).list_tables, client("sns", gate.url).list_topics):
            with pytest.raises(ClientError):
                call()
        [tables, topics] = gate.refused()
        assert "What dynamodb:ListTables needs is not known" in tables
        assert "What sns:ListTopics needs is not known" in topics


def test_an_answer_can_be_amended(emulator: str) -> None:
    def amend(call: Call, answer: HttpMessage) -> HttpMessage:
        assert call.operation == "GetParameters"
        return HttpMessage(answer.head, answer.body.replace(b'"v"', b'"w"'))

    with gate_of(emulator, EVERYTHING, amend=amend) as gate:
        found = client("ssm", gate.url).get_parameters(Names=["/a/b/c"])
        assert found["Parameters"][0]["Value"] == "w"
