"""Makes in the emulator what Terraform makes in the cloud: table, queues, user pool, registry.

Doing it twice changes nothing.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from aistratus_contracts.limits import VISIBILITY_TIMEOUT_SECONDS
from aistratus_contracts.models import Catalogue, encode_catalogue
from aistratus_contracts.registry import Parameter, Scope
from aistratus_contracts.table import TABLE_SCHEMA, TTL_ATTRIBUTE
from aistratus_local.access_key import AccessKey

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

REGION: Final = "eu-central-1"
REGISTRY_PREFIX: Final = "/aistratus/local"
TABLE_NAME: Final = "aistratus-local"
QUEUE_NAME: Final = "jobs.fifo"
DEAD_LETTER_QUEUE_NAME: Final = "jobs-dlq.fifo"
POOL_NAME: Final = "aistratus-local"
CLIENT_NAME: Final = "aistratus-app"

# A receive count is not a failure count: a message that is often given back is not at fault. The
# worker decides which messages are poison; this is only the safety net below it.
MAX_RECEIVE_COUNT: Final = 1000

# As in Terraform. A message contains a job's id and nothing else.
MAX_MESSAGE_BYTES: Final = 262_144

# Where native apps listen for the code (RFC 8252); Cognito accepts registered ports only.
NATIVE_CALLBACK_PORTS: Final = (8571, 8572, 8573, 8574, 8575)


@dataclass(frozen=True, slots=True)
class Addresses:
    """The URLs under which the parts will be reached, all on loopback."""

    emulator_url: str
    api_url: str
    login_url: str
    app_url: str


@dataclass(frozen=True, slots=True)
class User:
    """Someone who can sign in."""

    name: str
    password: str
    email: str


@dataclass(frozen=True, slots=True)
class Provisioned:
    """The ids of what was made."""

    queue_url: str
    table_name: str
    pool_id: str
    client_id: str
    issuer: str


def aws_environment(emulator_url: str, key: AccessKey) -> dict[str, str]:
    """AWS's own variables for every process that calls the emulator."""
    return {
        "AWS_ENDPOINT_URL": emulator_url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": key.access_key_id,
        "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
        "AWS_SESSION_TOKEN": "",
        "AWS_EC2_METADATA_DISABLED": "true",
        # The caller's own AWS configuration must have no effect.
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
    }


def client(service: str, emulator_url: str, key: AccessKey) -> Any:
    """A boto3 client for the emulator, whatever this process's own environment says."""
    session = boto3.Session(key.access_key_id, key.secret_access_key, region_name=REGION)
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30)
    return session.client(service, endpoint_url=emulator_url, config=config)  # type: ignore[call-overload]


def provision(
    addresses: Addresses, key: AccessKey, catalogue: Catalogue, users: Sequence[User]
) -> Provisioned:
    """Make what is missing, and write every id into the registry."""
    url = addresses.emulator_url
    _table(client("dynamodb", url, key))
    queue_url, dead_letter_url = _queues(client("sqs", url, key))
    pools: CognitoIdentityProviderClient = client("cognito-idp", url, key)
    pool_id = _pool(pools)
    client_id = _pool_client(pools, pool_id, addresses)
    for user in users:
        add_user(pools, pool_id, user)
    issuer = f"{addresses.login_url}/{pool_id}"
    registry: SSMClient = client("ssm", url, key)
    for parameter, value in {
        Parameter.QUEUE_URL: queue_url,
        Parameter.DEAD_LETTER_QUEUE_URL: dead_letter_url,
        Parameter.TABLE_NAME: TABLE_NAME,
        Parameter.ISSUER: issuer,
        Parameter.CLIENT_ID: client_id,
        Parameter.USER_POOL_ID: pool_id,
        Parameter.LOGIN_URL: addresses.login_url,
        Parameter.API_URL: addresses.api_url,
        Parameter.MODELS: encode_catalogue(catalogue),
    }.items():
        registry.put_parameter(
            Name=parameter.under(REGISTRY_PREFIX), Value=value, Type="String", Overwrite=True
        )
    return Provisioned(queue_url, TABLE_NAME, pool_id, client_id, issuer)


def add_user(pools: "CognitoIdentityProviderClient", pool_id: str, user: User) -> None:
    """Add a user with a permanent password; an existing user only gets the password."""
    with suppress(pools.exceptions.UsernameExistsException):
        pools.admin_create_user(
            UserPoolId=pool_id,
            Username=user.name,
            MessageAction="SUPPRESS",
            UserAttributes=[
                {"Name": "email", "Value": user.email},
                {"Name": "email_verified", "Value": "true"},
            ],
        )
    pools.admin_set_user_password(
        UserPoolId=pool_id, Username=user.name, Password=user.password, Permanent=True
    )


def _table(dynamodb: "DynamoDBClient") -> None:
    try:
        dynamodb.create_table(TableName=TABLE_NAME, **TABLE_SCHEMA)
    except dynamodb.exceptions.ResourceInUseException:
        return
    dynamodb.update_time_to_live(
        TableName=TABLE_NAME,
        TimeToLiveSpecification={"Enabled": True, "AttributeName": TTL_ATTRIBUTE},
    )


def _queues(sqs: "SQSClient") -> tuple[str, str]:
    """The URLs of the jobs queue and of its dead-letter queue."""
    high_throughput = {
        "FifoQueue": "true",
        "DeduplicationScope": "messageGroup",
        "FifoThroughputLimit": "perMessageGroupId",
        "MaximumMessageSize": str(MAX_MESSAGE_BYTES),
    }
    dead_letter_url = _queue(sqs, DEAD_LETTER_QUEUE_NAME, high_throughput)
    arn = sqs.get_queue_attributes(QueueUrl=dead_letter_url, AttributeNames=["QueueArn"])
    redrive = {
        "deadLetterTargetArn": arn["Attributes"]["QueueArn"],
        "maxReceiveCount": MAX_RECEIVE_COUNT,
    }
    url = _queue(
        sqs,
        QUEUE_NAME,
        {
            **high_throughput,
            "VisibilityTimeout": str(VISIBILITY_TIMEOUT_SECONDS),
            "RedrivePolicy": json.dumps(redrive),
        },
    )
    return url, dead_letter_url


def _queue(sqs: "SQSClient", name: str, attributes: dict[str, str]) -> str:
    try:
        return sqs.get_queue_url(QueueName=name)["QueueUrl"]
    except ClientError as error:
        if "NonExistentQueue" not in error.response["Error"]["Code"]:
            raise
    return sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]  # type: ignore[arg-type]


def _pool(pools: "CognitoIdentityProviderClient") -> str:
    for pool in pools.list_user_pools(MaxResults=60)["UserPools"]:
        if pool["Name"] == POOL_NAME:
            return pool["Id"]
    created = pools.create_user_pool(
        PoolName=POOL_NAME,
        Policies={
            "PasswordPolicy": {
                "MinimumLength": 12,
                "RequireUppercase": False,
                "RequireLowercase": False,
                "RequireNumbers": False,
                "RequireSymbols": False,
            }
        },
        AdminCreateUserConfig={"AllowAdminCreateUserOnly": True},
    )
    pool_id = created["UserPool"]["Id"]
    pools.create_resource_server(
        UserPoolId=pool_id,
        Identifier=Scope.INFER.value.partition("/")[0],
        Name="Aistratus",
        Scopes=[
            {"ScopeName": scope.value.partition("/")[2], "ScopeDescription": scope.name.title()}
            for scope in Scope
        ],
    )
    return pool_id


def _pool_client(pools: "CognitoIdentityProviderClient", pool_id: str, addresses: Addresses) -> str:
    """A public client: authorization code with PKCE, no secret."""
    for found in pools.list_user_pool_clients(UserPoolId=pool_id)["UserPoolClients"]:
        if found["ClientName"] == CLIENT_NAME:
            return found["ClientId"]
    origins = loopback_origins(addresses.app_url)
    native = [f"http://localhost:{port}" for port in NATIVE_CALLBACK_PORTS]
    created = pools.create_user_pool_client(
        UserPoolId=pool_id,
        ClientName=CLIENT_NAME,
        GenerateSecret=False,
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthFlows=["code"],
        AllowedOAuthScopes=["openid", "email", *(scope.value for scope in Scope)],
        CallbackURLs=[f"{origin}/callback" for origin in (*origins, *native)],
        LogoutURLs=[f"{origin}/" for origin in (*origins, *native)],
        SupportedIdentityProviders=["COGNITO"],
        ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        EnableTokenRevocation=True,
    )
    return created["UserPoolClient"]["ClientId"]


def loopback_origins(url: str) -> tuple[str, str]:
    """The two origins under which a browser reaches this address."""
    port = url.rpartition(":")[2].strip("/")
    return f"http://localhost:{port}", f"http://127.0.0.1:{port}"
