"""The instance's end: how the worker learns of it, and whom it tells once it has drained.

EC2 and Auto Scaling announce it in the instance's metadata. Sources: AWS, "Spot Instance
interruption notices", "EC2 instance rebalance recommendations", "Retrieve the target lifecycle
state through instance metadata", "CompleteLifecycleAction".
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from aistratus_daemon.worker.imds import Imds, ImdsError

log = logging.getLogger("worker")

# As often as AWS recommends; a Spot instance has two minutes from its notice.
POLL_SECONDS: Final = 5.0

SPOT_PATH: Final = "spot/instance-action"
REBALANCE_PATH: Final = "events/recommendations/rebalance"
LIFECYCLE_PATH: Final = "autoscaling/target-lifecycle-state"
INSTANCE_PATH: Final = "instance-id"
_TERMINATED: Final = "Terminated"


class AutoScaling(Protocol):
    """The part of boto3's Auto Scaling client that is used here."""

    def complete_lifecycle_action(
        self,
        *,
        LifecycleHookName: str,  # noqa: N803
        AutoScalingGroupName: str,  # noqa: N803
        LifecycleActionResult: str,  # noqa: N803
        InstanceId: str,  # noqa: N803
    ) -> object:
        """Tell the group that an instance need not be held back any longer."""


@dataclass(frozen=True, slots=True)
class TerminationHook:
    """The hook that holds an instance of the group back until it has drained."""

    group: str
    name: str


@dataclass
class Interruption:
    """Watches for signs of the instance's end; `sign` is the first one, in words."""

    imds: Imds
    stopping: asyncio.Event
    sign: str = ""
    _is_silent: bool = False

    async def watch(self) -> None:
        """Look every few seconds, until there is a sign or the worker stops for another reason."""
        while not self.stopping.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self.stopping.wait()
                    return
            await self.look()

    async def look(self) -> None:
        """Look once, and begin to stop if there is a sign."""
        try:
            sign = await asyncio.to_thread(find_sign, self.imds)
        except ImdsError as error:
            if not self._is_silent:
                log.warning("%s Without it, the worker will not know of its instance's end.", error)
            self._is_silent = True
            return
        self._is_silent = False
        if sign:
            log.warning("%s Draining.", sign)
            self.sign = sign
            self.stopping.set()

    async def complete(self, autoscaling: AutoScaling, hook: TerminationHook) -> None:
        """Tell Auto Scaling that the instance may go; failures are only logged."""
        try:
            instance_id = await asyncio.to_thread(self.imds.get, INSTANCE_PATH)
            await asyncio.to_thread(
                autoscaling.complete_lifecycle_action,
                LifecycleHookName=hook.name,
                AutoScalingGroupName=hook.group,
                # The instance goes either way; ABANDON would cut other hooks short.
                LifecycleActionResult="CONTINUE",
                InstanceId=instance_id or "",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationError":
                # Normal after a Spot notice or a recommendation: Auto Scaling waits for nothing.
                log.info("No termination hook waits for this instance: %s", error)
            else:
                log.warning(_NOT_TOLD, error)
        except (BotoCoreError, ImdsError) as error:
            log.warning(_NOT_TOLD, error)
        else:
            log.info("Auto Scaling knows that this instance has drained.")


_NOT_TOLD: Final = (
    "Auto Scaling could not be told that this instance has drained (%s); it goes when the hook's "
    "own time is up. Check the instance's role for autoscaling:CompleteLifecycleAction."
)


def find_sign(imds: Imds) -> str:
    """Why the instance will end, as a sentence; empty if nothing says so. Raises `ImdsError`."""
    if (notice := imds.get(SPOT_PATH)) is not None:
        return f"EC2 takes this Spot instance back: {notice}."
    if (notice := imds.get(REBALANCE_PATH)) is not None:
        return f"EC2 recommends to leave this Spot instance: {notice}."
    if imds.get(LIFECYCLE_PATH) == _TERMINATED:
        return "Auto Scaling terminates this instance."
    return ""
