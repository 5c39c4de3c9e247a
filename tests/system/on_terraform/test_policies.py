"""The evaluator of policies judges as IAM does, and says when it cannot."""

from typing import Any

import pytest

from support.iam.policies import Access, Permission, Role, UnknownElement

TABLE = "arn:aws:dynamodb:eu-central-1:123456789012:table/aistratus-dev"
GET = Access("dynamodb:GetItem", TABLE)


def role(*statements: dict[str, Any]) -> Role:
    return Role.of("a-role", [{"Version": "2012-10-17", "Statement": list(statements)}])


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {**allow(action, resource, **more), "Effect": "Deny"}


def test_what_nothing_allows_is_denied() -> None:
    assert not role().allows(GET)
    assert not role(allow("dynamodb:PutItem", TABLE)).allows(GET)
    assert not role(allow("dynamodb:GetItem", f"{TABLE}-2")).allows(GET)


def test_one_statement_that_allows_is_enough() -> None:
    assert role(allow("sqs:SendMessage"), allow(["x:Y", "dynamodb:GetItem"], [TABLE])).allows(GET)


def test_one_that_denies_is_stronger_wherever_it_stands() -> None:
    statements = [allow("dynamodb:*", "*"), deny("dynamodb:GetItem", TABLE)]
    for order in (statements, statements[::-1]):
        assert not role(*order).allows(GET)
        assert role(*order).allows(Access("dynamodb:PutItem", TABLE))


def test_statements_of_all_policies_count() -> None:
    documents: list[dict[str, Any]] = [
        {"Statement": allow("dynamodb:*")},
        {"Statement": [deny("dynamodb:GetItem")]},
    ]
    assert not Role.of("a-role", documents).allows(GET)


@pytest.mark.parametrize(
    ("pattern", "is_matched"),
    [
        ("*", True),
        ("dynamodb:*", True),
        ("dynamodb:Get*", True),
        ("DynamoDB:getitem", True),
        ("dynamodb:GetIte?", True),
        ("dynamodb:GetItem?", False),
        ("dynamodb:Get", False),
        ("dynamodb.GetItem", False),
    ],
)
def test_wildcards_of_actions(pattern: str, is_matched: bool) -> None:
    assert role(allow(pattern)).allows(GET) is is_matched


@pytest.mark.parametrize(
    ("pattern", "is_matched"),
    [
        ("arn:aws:dynamodb:*:*:table/aistratus-dev", True),
        ("arn:aws:dynamodb:*", True),
        (f"{TABLE}/*", False),
        (TABLE.upper(), False),
    ],
)
def test_wildcards_of_resources(pattern: str, is_matched: bool) -> None:
    assert role(allow("dynamodb:GetItem", pattern)).allows(GET) is is_matched


def test_a_right_to_one_resource_is_none_to_all() -> None:
    look = Access("autoscaling:DescribeAutoScalingGroups", "*")
    assert not role(allow("autoscaling:*", "arn:aws:autoscaling:*")).allows(look)
    assert role(allow("autoscaling:*", "*")).allows(look)


def test_all_but_something() -> None:
    statement = {"Effect": "Allow", "NotAction": "dynamodb:Put*", "NotResource": f"{TABLE}/*"}
    assert role(statement).allows(GET)
    assert not role(statement).allows(Access("dynamodb:PutItem", TABLE))
    assert not role(statement).allows(Access("dynamodb:GetItem", f"{TABLE}/index/by_recency"))


def test_conditions_that_are_known() -> None:
    put = Access(
        "cloudwatch:PutMetricData",
        "*",
        {"cloudwatch:namespace": ("Aistratus",), "keys": ("a", "b")},
    )
    for condition, holds in (
        ({"StringEquals": {"cloudwatch:Namespace": "Aistratus"}}, True),
        ({"StringEquals": {"cloudwatch:namespace": ["Other", "Aistratus"]}}, True),
        ({"StringEquals": {"cloudwatch:namespace": "Other"}}, False),
        ({"StringLike": {"cloudwatch:namespace": "Ais*"}}, True),
        ({"ForAllValues:StringEquals": {"keys": ["a", "b", "c"]}}, True),
        ({"ForAllValues:StringEquals": {"keys": ["a"]}}, False),
        ({"ForAllValues:StringLike": {"keys": ["?"]}}, True),
        (
            {
                "StringLike": {"cloudwatch:namespace": "Ais*"},
                "StringEquals": {"cloudwatch:namespace": "Other"},
            },
            False,
        ),
    ):
        found = role(allow("cloudwatch:PutMetricData", Condition=condition))
        assert found.allows(put) is holds, condition


@pytest.mark.parametrize(
    "statement",
    [
        allow("dynamodb:GetItem", Condition={"StringEquals": {"aws:SourceVpc": "vpc-1"}}),
        allow("dynamodb:GetItem", "arn:aws:dynamodb:*:*:table/${aws:username}"),
    ],
)
def test_what_cannot_be_judged_is_an_error(statement: dict[str, Any]) -> None:
    with pytest.raises(UnknownElement):
        role(statement).allows(GET)


def test_an_unknown_kind_of_condition_is_an_error() -> None:
    found = role(allow("dynamodb:GetItem", Condition={"IpAddress": {"a": "10.0.0.0/8"}}))
    with pytest.raises(UnknownElement, match="IpAddress"):
        found.allows(Access("dynamodb:GetItem", TABLE, {"a": ("10.0.0.1",)}))


@pytest.mark.parametrize(
    "change",
    [
        {"Principal": "*"},
        {"Effect": "Perhaps"},
        {"NotAction": "a:B"},
        {"NotResource": "a"},
    ],
)
def test_a_statement_of_another_kind_is_an_error(change: dict[str, Any]) -> None:
    with pytest.raises(UnknownElement):
        role({**allow("dynamodb:GetItem"), **change})


def test_permissions_one_by_one() -> None:
    found = role(allow(["a:B", "a:C"], ["x", "y*"], Sid="S"), deny("a:D")).permissions()
    assert found == [
        Permission("a-role", "S", action, resource)
        for action in ("a:B", "a:C")
        for resource in ("x", "y*")
    ]
    assert found[1].covers(Access("A:b", "yes"))
    assert not found[1].covers(Access("a:B", "no"))
    with pytest.raises(UnknownElement):
        role({"Effect": "Allow", "NotAction": "a:B", "Resource": "*"}).permissions()
