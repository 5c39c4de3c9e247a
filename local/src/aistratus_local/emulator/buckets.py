"""Moto's S3, with bucket policies that may refuse plain HTTP.

Moto ignores the conditions of a bucket policy, so one that refuses access without TLS would refuse
all access. The emulator stands for an address with TLS, so such a statement has no effect here.
"""

import json
from typing import Any, Final

from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.models import FakeBucket

_WITHOUT_TLS: Final = {"Bool": {"aws:SecureTransport": "false"}}


def install() -> None:
    """Correct moto's buckets, in this process."""
    FakeBucket.get_permission = _permission  # type: ignore[assignment, method-assign]


def _permission(bucket: FakeBucket, action: str, resource: str) -> Any:
    """The decision of the bucket's policy, as if over TLS."""
    if bucket.policy is None:
        return PermissionResult.NEUTRAL
    document = json.loads(bucket.policy)
    statements = document["Statement"]
    if isinstance(statements, dict):
        statements = [statements]
    document["Statement"] = [each for each in statements if not _refuses_plain_http(each)]
    if not document["Statement"]:
        return PermissionResult.NEUTRAL
    return IAMPolicy(json.dumps(document)).is_action_permitted(action, resource)


def _refuses_plain_http(statement: dict[str, Any]) -> bool:
    return statement.get("Effect") == "Deny" and statement.get("Condition") == _WITHOUT_TLS
