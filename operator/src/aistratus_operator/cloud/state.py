"""Terraform's state: the bucket, the backend's settings, and the holder of a lock."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from aistratus_operator.cloud.aws import Account, code_of, said_by
from aistratus_operator.cloud.terraform import WORK
from aistratus_operator.errors import OperatorError

# S3 is older than regions: its first region is not named in a location constraint.
_FIRST_REGION: Final = "us-east-1"


@dataclass(frozen=True, slots=True)
class Lock:
    """The holder of a state's lock, as Terraform wrote it beside the state."""

    id: str
    who: str
    created: str
    operation: str


def key_of(name: str) -> str:
    """The key in the bucket of an environment's state, or of the bootstrap's."""
    return f"{name}/terraform.tfstate"


def bucket_name(account: Account, project: str) -> str:
    """The state bucket of this account and region; bucket names are globally unique."""
    return f"{project}-tfstate-{account.id}-{account.region}"


def has_bucket(account: Account, bucket: str) -> bool:
    """Whether the bucket exists; raises an `OperatorError` if this caller may not use it."""
    try:
        account.client("s3").head_bucket(Bucket=bucket, ExpectedBucketOwner=account.id)
    except ClientError as error:
        if code_of(error) in {"404", "NoSuchBucket"}:
            return False
        raise OperatorError(
            f"The state bucket {bucket} is there, but not for {account.caller_arn}. Use "
            "credentials that may read and write it, or set another project in terraform/envs."
        ) from error
    return True


def make_bucket(account: Account, bucket: str) -> None:
    """Create the bucket, private by S3's default; the bootstrap does the rest."""
    place: dict[str, Any] = (
        {}
        if account.region == _FIRST_REGION
        else {"CreateBucketConfiguration": {"LocationConstraint": account.region}}
    )
    try:
        account.client("s3").create_bucket(Bucket=bucket, **place)
    except ClientError as error:
        if code_of(error) == "BucketAlreadyOwnedByYou":
            return  # another run in this account was quicker
        raise OperatorError(
            f"The state bucket {bucket} cannot be made: {said_by(error)}. Get the right to "
            "s3:CreateBucket, then run the same command again."
        ) from error


def read_json(account: Account, bucket: str, key: str) -> dict[str, Any] | None:
    """A state or a lock; None if there is none."""
    try:
        body = account.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        if code_of(error) in {"NoSuchKey", "NoSuchBucket", "404"}:
            return None
        raise OperatorError(
            f"The state {key} in {bucket} cannot be read: {said_by(error)}. Get the right to "
            "s3:GetObject there, then run the same command again."
        ) from error
    document = json.loads(body)
    return document if isinstance(document, dict) else None


def outputs(state: dict[str, Any] | None) -> dict[str, Any]:
    """A state's outputs by name."""
    found = (state or {}).get("outputs", {})
    return {name: output.get("value") for name, output in found.items()}


def find_lock(account: Account, bucket: str, key: str) -> Lock | None:
    """The current lock of the state, if there is one."""
    found = read_json(account, bucket, f"{key}.tflock")
    if found is None:
        return None
    return Lock(
        id=str(found.get("ID", "")),
        who=str(found.get("Who", "somebody")),
        created=str(found.get("Created", ""))[:19].replace("T", " "),
        operation=str(found.get("Operation", "")).removeprefix("OperationType").lower(),
    )


def check_unlocked(account: Account, bucket: str, name: str) -> None:
    """Raises an `OperatorError` that says who holds the state of that name and since when."""
    lock = find_lock(account, bucket, key_of(name))
    if lock is not None:
        raise OperatorError(
            f"Another run holds {name}: {lock.who}, since {lock.created} UTC ({lock.operation}). "
            "Wait until it ends. If it is certainly dead, unlock with: "
            f"make unlock ENV={name} REGION={account.region} LOCK={lock.id}"
        )


def data_folder(bucket: str, name: str) -> Path:
    """The folder for Terraform's downloads for that root; a bucket belongs to one account."""
    return WORK / bucket / name


def backend(account: Account, bucket: str, key: str) -> list[str]:
    """The arguments of `terraform init` that select the state."""
    settings = {"bucket": bucket, "key": key, "region": account.region}
    return [f"-backend-config={name}={value}" for name, value in settings.items()]
