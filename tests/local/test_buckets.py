"""A bucket that lets nobody in without TLS is one that the emulator can be asked for."""

import json

import pytest
from botocore.exceptions import ClientError

from aistratus_local.emulator.server import serve
from support.emulator_process import ACCEPTED, client


def put_and_get(bucket: str, **more: object) -> bytes:
    """What comes back from a bucket of that name, whose policy denies everything, but for more."""
    denial = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        **more,
    }
    with serve(ACCEPTED) as emulator:
        s3 = client("s3", emulator.url)
        s3.create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        policy = {"Version": "2012-10-17", "Statement": [denial]}
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
        s3.put_object(Bucket=bucket, Key="state", Body=b"{}")
        found: bytes = s3.get_object(Bucket=bucket, Key="state")["Body"].read()
        return found


def test_a_refusal_of_plain_http_refuses_nothing_here() -> None:
    assert put_and_get("over-tls", Condition={"Bool": {"aws:SecureTransport": "false"}}) == b"{}"


def test_a_refusal_of_everything_holds() -> None:
    with pytest.raises(ClientError, match="Forbidden"):
        put_and_get("closed")
