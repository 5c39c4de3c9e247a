"""The account that commands act on: credentials, region, and clients for it."""

import os
from dataclasses import dataclass, field
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    ProfileNotFound,
)

from aistratus_operator.errors import OperatorError

_CONFIG: Final = Config(
    retries={"total_max_attempts": 4, "mode": "standard"}, connect_timeout=10, read_timeout=30
)
_NO_CREDENTIALS: Final = (
    "There are no usable AWS credentials ({}). Sign in with `aws sso login` or `aws configure`, "
    "or set AWS_PROFILE; then run the same command again."
)
_EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_WRONG: Final = frozenset(
    {
        "AuthFailure",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
        "InvalidAccessKeyId",
    }
)


@dataclass(frozen=True, slots=True)
class Account:
    """The account's id, the region, and the caller's identity.

    Its session reads each service's description once, which takes longer than most calls.
    """

    id: str
    region: str
    caller_arn: str
    session: boto3.Session = field(default_factory=boto3.Session, compare=False, repr=False)

    def client(self, service: str) -> Any:
        """A boto3 client for that service, in the account's region."""
        return self.session.client(service, region_name=self.region, config=_CONFIG)  # type: ignore[call-overload]


def sign_in(region: str) -> Account:
    """The account that the credentials in the environment belong to; raises `OperatorError`."""
    try:
        session = boto3.Session()
        # Botocore's list of regions is data: a newer region is not wrong, only missing there.
        client = session.client("sts", region_name=region, config=_CONFIG)
        identity = client.get_caller_identity()
    except ProfileNotFound:
        raise OperatorError(
            f"AWS_PROFILE names {os.environ.get('AWS_PROFILE')}, which your AWS configuration "
            "does not have. Correct it, or make it with: aws configure sso"
        ) from None
    except EndpointConnectionError:
        raise OperatorError(
            f"AWS cannot be reached in {region}. Check the region's name and your connection; "
            "then run the same command again."
        ) from None
    except ClientError as error:
        raise _refused(error) from error
    except BotoCoreError as error:
        raise OperatorError(_NO_CREDENTIALS.format(_gist(error))) from error
    return Account(str(identity["Account"]), region, str(identity["Arn"]), session)


def code_of(error: ClientError) -> str:
    """The error's code, such as `AccessDenied`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def said_by(error: ClientError) -> str:
    """AWS's message, on one line."""
    text = str(error.response.get("Error", {}).get("Message", "")) or code_of(error)
    return " ".join(text.split()).rstrip(".")


def _refused(error: ClientError) -> OperatorError:
    code = code_of(error)
    if code in _EXPIRED:
        return OperatorError(
            "Your AWS credentials have expired. Sign in again with `aws sso login` (or set new "
            "keys); then run the same command again."
        )
    if code in _WRONG:
        return OperatorError(
            f"AWS does not accept your credentials ({code}). Check AWS_PROFILE or the keys in "
            "your environment; then run the same command again."
        )
    return OperatorError(
        f"AWS does not say who you are: {said_by(error)}. Check your credentials; then run the "
        "same command again."
    )


def _gist(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".").replace("Unable to", "unable to")
