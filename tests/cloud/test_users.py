"""Whom the administrator lets in, and what is said when that is not possible."""

import pytest

from aistratus_contracts.registry import Parameter
from aistratus_operator.cloud.aws import Account
from aistratus_operator.cloud.environments import Environment, load
from aistratus_operator.cloud.users import invite
from aistratus_operator.errors import OperatorError


@pytest.fixture
def prod(account: Account) -> Environment:
    """An environment of which only the pool is there."""
    environment = load("prod", account.region)
    pool = account.client("cognito-idp").create_user_pool(
        PoolName="people", UsernameAttributes=["email"]
    )["UserPool"]["Id"]
    account.client("ssm").put_parameter(
        Name=Parameter.USER_POOL_ID.under(environment.registry_prefix),
        Value=pool,
        Type="String",
        Overwrite=True,
    )
    return environment


@pytest.mark.parametrize(
    "email",
    ["ada", "ada@", "@example.org", "ada@example", "a da@example.org", "a@b.c, d@e.f", "x" * 260],
)
def test_what_is_no_address_is_refused_by_name(
    email: str, account: Account, prod: Environment
) -> None:
    with pytest.raises(OperatorError, match="is no mail address") as caught:
        invite(account, prod, email)
    assert repr(email) in str(caught.value)


def test_nobody_is_named(account: Account, prod: Environment) -> None:
    with pytest.raises(OperatorError, match="Say whom"):
        invite(account, prod, " ")


def test_somebody_who_has_a_password_is_not_invited_again(
    account: Account, prod: Environment
) -> None:
    invite(account, prod, "bob@example.org")
    pools = account.client("cognito-idp")
    name = Parameter.USER_POOL_ID.under(prod.registry_prefix)
    pool = account.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    pools.admin_set_user_password(
        UserPoolId=pool, Username="bob@example.org", Password="Correct-horse-1", Permanent=True
    )
    with pytest.raises(OperatorError, match="is a user of prod already"):
        invite(account, prod, "bob@example.org")


def test_a_pool_that_is_gone(account: Account, prod: Environment) -> None:
    account.client("ssm").put_parameter(
        Name=Parameter.USER_POOL_ID.under(prod.registry_prefix),
        Value="eu-central-1_gone",
        Type="String",
        Overwrite=True,
    )
    with pytest.raises(OperatorError, match="that the registry of prod names is gone"):
        invite(account, prod, "eve@example.org")
