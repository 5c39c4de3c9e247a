"""S3 as moto has it, whose buckets may refuse plain HTTP.

Moto reads no conditions in a bucket's policy: one that lets nobody in without TLS would let nobody
in. The emulator stands for an address with TLS, so such a statement refuses nothing here.
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
    """What the bucket's policy says to that, over TLS."""
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
