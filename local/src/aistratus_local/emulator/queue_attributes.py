"""Keeps a queue's attributes as AWS does, where moto loses them.

moto does not return RedriveAllowPolicy, and drops the queue's Policy when another attribute is
set. Terraform sets each of them with a separate call and waits until it can read it back.
"""

from collections.abc import Sequence
from typing import Any, Final

from moto.sqs.models import Queue, SQSBackend

REDRIVE_ALLOW_POLICY: Final = "RedriveAllowPolicy"


class KeptAttributes(SQSBackend):
    """moto's SQS of one region, whose queues keep all their attributes."""

    def set_queue_attributes(self, queue_name: str, attributes: dict[str, Any]) -> Queue:
        """SetQueueAttributes; attributes that are not named keep their values."""
        queue = self.get_queue(queue_name)
        changed: Queue = super().set_queue_attributes(
            queue_name, {"Policy": queue.policy, **attributes}
        )
        return changed

    def get_queue_attributes(
        self, queue_name: str, attribute_names: Sequence[str]
    ) -> dict[str, Any]:
        """GetQueueAttributes; leaves out a RedriveAllowPolicy that is unset or empty."""
        known = [name for name in attribute_names if name != REDRIVE_ALLOW_POLICY]
        found: dict[str, Any] = super().get_queue_attributes(queue_name, known)
        # moto stores it like any other attribute but does not return it.
        policy = getattr(self.get_queue(queue_name), "redrive_allow_policy", "")
        if policy and {REDRIVE_ALLOW_POLICY, "All"} & set(attribute_names):
            found[REDRIVE_ALLOW_POLICY] = policy
        return found
