"""What a dead run has left is known by its name, and by nothing else."""

import pytest

from aistratus_operator.cloud.adopt import orphans
from aistratus_operator.cloud.aws import Account
from aistratus_operator.cloud.environments import load
from aistratus_operator.cloud.stack import Stack

TAKEN = """
Error: creating AWS DynamoDB Table (aistratus-dev): operation error DynamoDB: CreateTable, https \
response error StatusCode: 400, ResourceInUseException: Table already exists: aistratus-dev

  with module.jobs.aws_dynamodb_table.this,
  on modules/jobs/main.tf line 95, in resource "aws_dynamodb_table" "this":
  95: resource "aws_dynamodb_table" "this" {


Error: creating IAM Role (aistratus-dev-router): operation error IAM: CreateRole, \
EntityAlreadyExists: Role with name aistratus-dev-router already exists.

  with module.router.aws_iam_role.this["router"],
  on modules/router/main.tf line 12, in resource "aws_iam_role" "this":
"""


@pytest.fixture
def stack() -> Stack:
    return Stack(load("dev", "eu-central-1"), Account("123456789012", "eu-central-1", "arn"))


def test_what_is_there_already_is_taken_in(stack: Stack) -> None:
    assert orphans(stack, TAKEN) == {
        "module.jobs.aws_dynamodb_table.this": "aistratus-dev",
        'module.router.aws_iam_role.this["router"]': "aistratus-dev-router",
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("aistratus-dev", "aistratus-prod"),
        ("aistratus-dev", "aistratus-device"),
        ("aistratus-dev", "my-aistratus-dev"),
        ("aws_dynamodb_table", "aws_vpc"),
        ("already exists", "is not allowed"),
    ],
)
def test_what_is_somebody_elses_is_not(stack: Stack, old: str, new: str) -> None:
    table, _, _ = TAKEN.replace("ResourceInUseException", "").partition("\n\n\n")
    assert orphans(stack, table) != {}
    assert orphans(stack, table.replace(old, new)) == {}
