"""What always comes last: the GPU off, everything removed, and what is left told."""

import time
from typing import Final

from aistratus_contracts.registry import Parameter
from aistratus_operator.cloud.destroy import destroy
from aistratus_operator.cloud.gpu import fleet_of
from aistratus_operator.cloud.registry import read_all
from aistratus_operator.cloud.smoke import looking
from aistratus_operator.cloud.smoke.expectations import Sighting, Verdict
from aistratus_operator.cloud.smoke.report import EXPECTED, sentence
from aistratus_operator.cloud.smoke.steps import LOOK_SECONDS, WAS_THERE, Smoke

# AWS may list what was removed for a while.
_REMOVED_WITHIN_SECONDS: Final = 60.0


def remove(run: Smoke) -> None:
    """Turn the GPU off, then remove what was made; what is left is told."""
    began, why = time.monotonic(), ""
    run.say("Turning the GPU off …" if run.is_existing else "Removing everything …")
    try:
        _turn_off(run)
        if not run.is_existing and run.stack.is_deployed():
            stack = run.stack
            destroy(stack.environment.name, stack.account.region, run.options)
    except KeyboardInterrupt:
        # A destroy that was asked to stop brings to its end what it is at: perhaps all of it.
        why = "It was stopped."
    except EXPECTED as error:
        why = sentence(error)
    if run.is_existing:
        run.report.note(Sighting("nothing-left", Verdict.NOT_SEEN, WAS_THERE))
        if why:
            run.report.left = [f"perhaps the GPU, which could not be turned off: {why}"]
        return
    run.report.times["removal"] = time.monotonic() - began
    left = [_short_arn(arn) for arn in _left(run, waits=not why)]
    if why and left:
        run.report.left = left
        run.report.see("nothing-left", holds=False, evidence=f"The removal failed: {why}")
        return
    run.report.see(
        "nothing-left",
        holds=not left,
        evidence=f"AWS still lists {', '.join(left)}; it lists what is gone for a while. Look "
        "again with: aws resourcegroupstaggingapi get-resources --tag-filters "
        f"Key=env,Values={run.report.environment}"
        if left
        else f"In {run.report.times['removal']:.0f} s.",
    )


def _turn_off(run: Smoke) -> None:
    """Turn the GPU off at once; where more is removed, a failure of this is only told."""
    stack = run.stack
    try:
        if read_all(stack.account, stack.environment).get(Parameter.FLEET_GROUP):
            fleet_of(stack.account, stack.environment).stop()
    except EXPECTED as error:
        if run.is_existing:
            raise
        # Removing the group ends its instances, and until then the steward turns them off.
        run.say(f"The GPU could not be turned off first: {sentence(error)}")


def _left(run: Smoke, *, waits: bool) -> list[str]:
    """What still has the environment's tags; `waits`: after AWS has had time to forget it."""
    deadline = time.monotonic() + (_REMOVED_WITHIN_SECONDS if waits else 0.0)
    try:
        while left := looking.left_over(run.stack.account, run.stack.environment):
            if time.monotonic() > deadline:
                return left
            time.sleep(LOOK_SECONDS)
    except EXPECTED as error:
        return [f"unknown, for AWS does not say: {sentence(error)}"]
    return []


def _short_arn(arn: str) -> str:
    """An ARN without the account."""
    if not arn.startswith("arn:"):
        return arn
    return ":".join(part for index, part in enumerate(arn.split(":")) if index not in (0, 1, 3, 4))
