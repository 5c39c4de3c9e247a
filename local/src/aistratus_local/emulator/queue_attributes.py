"""A queue's attributes as AWS keeps them, where moto forgets.

moto knows no RedriveAllowPolicy, and whoever sets another attribute takes the queue's Policy away.
Terraform sets each of them with a call of its own, and waits until it can read it back.
"""

from collections.abc import Sequence
from typing import Any, Final

from moto.sqs.models import Queue, SQSBackend

REDRIVE_ALLOW_POLICY: Final = "RedriveAllowPolicy"


class KeptAttributes(SQSBackend):
    """moto's SQS of one region, whose queues keep what they were told."""

    def set_queue_attributes(self, queue_name: str, attributes: dict[str, Any]) -> Queue:
        """SetQueueAttributes; what is not named stays."""
        queue = self.get_queue(queue_name)
        changed: Queue = super().set_queue_attributes(
            queue_name, {"Policy": queue.policy, **attributes}
        )
        return changed

    def get_queue_attributes(
        self, queue_name: str, attribute_names: Sequence[str]
    ) -> dict[str, Any]:
        """GetQueueAttributes; what was never set, or was set to nothing, is left out."""
        known = [name for name in attribute_names if name != REDRIVE_ALLOW_POLICY]
        found: dict[str, Any] = super().get_queue_attributes(queue_name, known)
        # moto has written it down like any other, and only does not tell.
        policy = getattr(self.get_queue(queue_name), "redrive_allow_policy", "")
        if policy and {REDRIVE_ALLOW_POLICY, "All"} & set(attribute_names):
            found[REDRIVE_ALLOW_POLICY] = policy
        return found
