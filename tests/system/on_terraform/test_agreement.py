"""`local/` makes what Terraform makes: the same table, queues, pool of users and registry.

Both are made for real, each in an emulator of its own, and then AWS is asked what there is.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from aistratus_contracts.models import Catalogue, decode_catalogue
from aistratus_contracts.registry import OF_FUNCTIONS, Parameter
from aistratus_contracts.schedule import NO_SCHEDULE, decode_schedule
from aistratus_local import provision
from support.deployment import Deployment
from support.emulator_process import KEY, client, running_emulator_process

pytestmark = [pytest.mark.needs("terraform"), pytest.mark.timeout(600)]

Aws = Callable[[str], Any]

# The local system's instance is started by its supervisor: there is no fleet.
FLEET: Final = {
    Parameter.FLEET_GROUP,
    Parameter.TERMINATION_HOOK,
    Parameter.IDLE_TIMEOUT,
    Parameter.SCHEDULE,
}

# Nothing is kept for long on one machine, and the emulator's queues have no policy to keep out
# whom nobody keeps out of loopback.
ONLY_IN_THE_CLOUD: Final = {"MessageRetentionPeriod", "Policy", "RedriveAllowPolicy"}
NO_SETTINGS: Final = {
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
}


@pytest.fixture(scope="module")
def local(deployment: Deployment) -> Iterator[Aws]:
    with running_emulator_process() as url:
        addresses = provision.Addresses(url, "http://api", "http://login", "http://127.0.0.1:8550")
        provision.provision(addresses, KEY, Catalogue((deployment.model,)), [])
        yield lambda service: client(service, url)


def registry(aws: Aws, prefix: str) -> dict[Parameter, tuple[str, str]]:
    """Type and value of what lies below a prefix; a name that is not ours is an error."""
    pages = aws("ssm").get_paginator("get_parameters_by_path")
    return {
        Parameter(found["Name"].removeprefix(f"{prefix}/")): (found["Type"], found["Value"])
        for page in pages.paginate(Path=prefix, Recursive=True)
        for found in page["Parameters"]
    }


def cloud_registry(deployment: Deployment) -> dict[Parameter, tuple[str, str]]:
    return registry(deployment.aws, deployment.outputs()["registry_prefix"])


def test_the_registry_has_all_names_in_both(deployment: Deployment, local: Aws) -> None:
    ours, theirs = registry(local, provision.REGISTRY_PREFIX), cloud_registry(deployment)
    assert theirs.keys() == set(Parameter) - OF_FUNCTIONS
    assert ours.keys() == set(Parameter) - OF_FUNCTIONS - FLEET
    for found in (ours, theirs):
        assert {kind for kind, _ in found.values()} == {"String"}
        assert all(value for _, value in found.values())


def test_the_models_are_written_in_the_same_way(deployment: Deployment, local: Aws) -> None:
    catalogues = [
        decode_catalogue(found[Parameter.MODELS][1])
        for found in (registry(local, provision.REGISTRY_PREFIX), cloud_registry(deployment))
    ]
    assert catalogues == [Catalogue((deployment.model,))] * 2


def test_by_default_there_is_no_schedule(deployment: Deployment) -> None:
    _, text = cloud_registry(deployment)[Parameter.SCHEDULE]
    assert decode_schedule(text) == NO_SCHEDULE


def test_what_the_registry_names_is_there(deployment: Deployment) -> None:
    values = {name: value for name, (_, value) in cloud_registry(deployment).items()}
    aws, outputs = deployment.aws, deployment.outputs()
    for name in (Parameter.QUEUE_URL, Parameter.DEAD_LETTER_QUEUE_URL):
        assert aws("sqs").get_queue_attributes(QueueUrl=values[name], AttributeNames=["QueueArn"])
    assert aws("dynamodb").describe_table(TableName=values[Parameter.TABLE_NAME])
    pool_id = values[Parameter.USER_POOL_ID]
    assert aws("cognito-idp").describe_user_pool_client(
        UserPoolId=pool_id, ClientId=values[Parameter.CLIENT_ID]
    )
    assert values[Parameter.ISSUER] == (
        f"https://cognito-idp.{provision.REGION}.amazonaws.com/{pool_id}"
    )
    hooks = aws("autoscaling").describe_lifecycle_hooks(
        AutoScalingGroupName=values[Parameter.FLEET_GROUP],
        LifecycleHookNames=[values[Parameter.TERMINATION_HOOK]],
    )
    assert len(hooks["LifecycleHooks"]) == 1
    for name, output in (
        (Parameter.API_URL, "api_url"),
        (Parameter.LOGIN_URL, "login_url"),
        (Parameter.QUEUE_URL, "queue_url"),
        (Parameter.TABLE_NAME, "table_name"),
        (Parameter.CLIENT_ID, "client_id"),
        (Parameter.FLEET_GROUP, "group_name"),
    ):
        assert values[name] == outputs[output], name


def table_of(aws: Aws, name: str) -> dict[str, Any]:
    """What makes a table what it is."""
    dynamodb = aws("dynamodb")
    found = dynamodb.describe_table(TableName=name)["Table"]
    indexes = [
        {part: index[part] for part in ("IndexName", "KeySchema", "Projection")}
        for index in found["LocalSecondaryIndexes"]
    ]
    return {
        "attributes": sorted(found["AttributeDefinitions"], key=lambda each: each["AttributeName"]),
        "keys": found["KeySchema"],
        "local indexes": indexes,
        "global indexes": found.get("GlobalSecondaryIndexes", []),
        "billing": found["BillingModeSummary"]["BillingMode"],
        "stream": found.get("StreamSpecification"),
        "time to live": dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"],
    }


def test_the_table_is_the_same(deployment: Deployment, local: Aws) -> None:
    cloud = table_of(deployment.aws, deployment.outputs()["table_name"])
    assert cloud == table_of(local, provision.TABLE_NAME)


def queue_of(aws: Aws, name: str) -> dict[str, Any]:
    """A queue's settings; of the dead-letter queue, only after how many receives."""
    url = aws("sqs").get_queue_url(QueueName=name)["QueueUrl"]
    found = aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    settings: dict[str, Any] = {
        key: value for key, value in found.items() if key not in ONLY_IN_THE_CLOUD | NO_SETTINGS
    }
    if "RedrivePolicy" in settings:
        settings["RedrivePolicy"] = json.loads(settings["RedrivePolicy"])["maxReceiveCount"]
    return settings


def test_the_queues_are_the_same(deployment: Deployment, local: Aws) -> None:
    cloud = cloud_registry(deployment)
    for parameter, name in (
        (Parameter.QUEUE_URL, provision.QUEUE_NAME),
        (Parameter.DEAD_LETTER_QUEUE_URL, provision.DEAD_LETTER_QUEUE_NAME),
    ):
        cloud_name = cloud[parameter][1].rpartition("/")[2]
        assert queue_of(deployment.aws, cloud_name) == queue_of(local, name)


def pool_of(aws: Aws, pool_id: str, client_id: str) -> dict[str, Any]:
    """What people and apps meet."""
    pools = aws("cognito-idp")
    pool = pools.describe_user_pool(UserPoolId=pool_id)["UserPool"]
    client = pools.describe_user_pool_client(UserPoolId=pool_id, ClientId=client_id)
    app = client["UserPoolClient"]
    [server] = pools.list_resource_servers(UserPoolId=pool_id, MaxResults=10)["ResourceServers"]
    return {
        "only administrators make users": pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"],
        "shortest password": pool["Policies"]["PasswordPolicy"]["MinimumLength"],
        "resource server": server["Identifier"],
        "its scopes": sorted(scope["ScopeName"] for scope in server["Scopes"]),
        "has a secret": "ClientSecret" in app,
        "flows": app["AllowedOAuthFlows"],
        "uses flows": app["AllowedOAuthFlowsUserPoolClient"],
        "scopes": sorted(app["AllowedOAuthScopes"]),
        "providers": app["SupportedIdentityProviders"],
        "refresh": "ALLOW_REFRESH_TOKEN_AUTH" in app["ExplicitAuthFlows"],
        "native callbacks": {
            url for url in app["CallbackURLs"] if url in native_addresses("/callback")
        },
        "native logouts": {url for url in app["LogoutURLs"] if url in native_addresses("/")},
    }


def native_addresses(path: str) -> set[str]:
    """Where native apps listen."""
    return {f"http://localhost:{port}{path}" for port in provision.NATIVE_CALLBACK_PORTS}


def test_the_pool_and_its_client_are_the_same(deployment: Deployment, local: Aws) -> None:
    ours = {name: value for name, (_, value) in registry(local, provision.REGISTRY_PREFIX).items()}
    outputs = deployment.outputs()
    cloud = pool_of(deployment.aws, outputs["user_pool_id"], outputs["client_id"])
    assert cloud == pool_of(local, ours[Parameter.USER_POOL_ID], ours[Parameter.CLIENT_ID])
    assert cloud["native callbacks"] == native_addresses("/callback")


def test_a_password_alone_gets_no_token_in_the_cloud(deployment: Deployment) -> None:
    """The local login page hands passwords on to the pool, in place of Cognito's own page."""
    outputs = deployment.outputs()
    client = deployment.aws("cognito-idp").describe_user_pool_client(
        UserPoolId=outputs["user_pool_id"], ClientId=outputs["client_id"]
    )
    assert client["UserPoolClient"]["ExplicitAuthFlows"] == ["ALLOW_REFRESH_TOKEN_AUTH"]
