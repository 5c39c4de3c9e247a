"""Why Auto Scaling got no instance, in a sentence for the person waiting for it.

The words matched are EC2's, from a scaling activity. Sources: AWS, "Troubleshoot Amazon EC2
Auto Scaling: EC2 instance launch failures", and EC2's error codes.
"""

import re
from typing import Final

MAX_QUOTED_CHARS: Final = 200

_QUOTA: Final = re.compile(
    r"VcpuLimitExceeded|MaxSpotInstanceCountExceeded|InstanceLimitExceeded|vCPU limit"
    r"|max spot instance count exceeded",
    re.IGNORECASE,
)
_CAPACITY: Final = re.compile(
    r"InsufficientInstanceCapacity|UnfulfillableCapacity|no Spot capacity"
    r"|not have sufficient .{0,80}capacity|insufficient capacity|capacity.not.available",
    re.IGNORECASE,
)


def is_shortage(message: str) -> bool:
    """Whether the other way of buying may help: AWS has no instance, or none for this account.

    Spot and on-demand instances have quotas of their own.
    """
    return bool(_QUOTA.search(message) or _CAPACITY.search(message))


def sentence(message: str) -> str:
    """What is in the way, and the next step."""
    if _QUOTA.search(message):
        return (
            "AWS allows this account no more GPU instances; ask for a higher quota of "
            "«Running On-Demand G and VT instances» in Service Quotas. Jobs wait meanwhile."
        )
    if _CAPACITY.search(message):
        return (
            "AWS has no GPU instance left in this region right now, neither Spot nor on demand; "
            "Auto Scaling goes on trying, and jobs wait."
        )
    quoted = " ".join(message.split())[:MAX_QUOTED_CHARS].rstrip(".")
    return f"No instance could be started; correct what AWS says: {quoted}."
