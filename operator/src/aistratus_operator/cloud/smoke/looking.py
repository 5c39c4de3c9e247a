"""Judges the predictions that a run can reach, from what AWS says."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from aistratus_contracts.registry import Parameter
from aistratus_contracts.states import Purchase
from aistratus_operator.cloud.aws import Account, code_of, said_by
from aistratus_operator.cloud.bill import billed, tagged, tags_of
from aistratus_operator.cloud.environments import Environment
from aistratus_operator.cloud.images import Image
from aistratus_operator.cloud.smoke.expectations import Sighting, Verdict
from aistratus_router.fleet.control import Fleet


def look_at_volume(account: Account, image: Image, instance_id: str, rate: int) -> Sighting:
    """Whether the weights' volume came from the image's snapshot, at the set rate."""
    name = "rate-without-snapshot"
    if not image.weights_device:
        return Sighting(name, Verdict.NOT_SEEN, "The image has no volume of its own for weights.")
    if not rate:
        return Sighting(name, Verdict.NOT_SEEN, "weights_initialization_rate is 0.")
    volumes = _volumes(account, instance_id)
    found = [
        each
        for each in volumes
        if any(how["Device"] == image.weights_device for how in each["Attachments"])
    ]
    if not found:
        return Sighting(name, Verdict.DIFFERS, f"No volume is attached as {image.weights_device}.")
    seen = found[0].get("VolumeInitializationRate")
    snapshot = found[0].get("SnapshotId")
    holds = seen == rate and bool(snapshot)
    told = "from a snapshot" if snapshot else "from no snapshot"
    return Sighting(
        name,
        Verdict.SEEN if holds else Verdict.DIFFERS,
        f"VolumeInitializationRate is {seen}, and the volume is {told}.",
    )


def look_at_image(account: Account, image: Image) -> Sighting:
    """Whether a newer Packer's lines are in the image."""
    found = account.client("ec2").describe_images(ImageIds=[image.id])["Images"][0]
    support, until = found.get("ImdsSupport"), found.get("DeprecationTime")
    if support == "v2.0" and until:
        return Sighting(
            "newer-packer", Verdict.SEEN, f"ImdsSupport is v2.0, DeprecationTime {until[:10]}."
        )
    return Sighting(
        "newer-packer",
        Verdict.NOT_SEEN,
        f"ImdsSupport is {support}, DeprecationTime {until}: Debian's Packer makes such an image.",
    )


def look_at_distribution(account: Account, fleet: Fleet) -> Sighting:
    """Whether a group that is off takes a distribution alone, and keeps the rest."""
    name, group = "distribution-alone", fleet.group
    assert group is not None  # noqa: S101  a deployment has a fleet
    view = group.view()
    if not view.may_switch:
        return Sighting(name, Verdict.NOT_SEEN, "The environment buys on demand only.")
    before = _policy(account, group.name)["LaunchTemplate"]
    try:
        group.buy(Purchase.ON_DEMAND, view)
        bought = group.view()
        after = _policy(account, group.name).get("LaunchTemplate")
        group.buy(Purchase.SPOT, bought)
    except ClientError as error:
        said = f"AWS refused it: {said_by(error)[:200]} ({code_of(error)})."
        return Sighting(name, Verdict.DIFFERS, said)
    except BotoCoreError:
        return Sighting(name, Verdict.NOT_SEEN, "AWS did not answer the call.")
    is_switched, is_kept = bought.purchase is Purchase.ON_DEMAND, before == after
    return Sighting(
        name,
        Verdict.SEEN if is_switched and is_kept else Verdict.DIFFERS,
        f"The group then buys {bought.purchase}, and its launch template and overrides "
        f"{'are kept' if is_kept else 'are not kept'}.",
    )


def look_at_tags(
    account: Account,
    environment: Environment,
    registry: dict[Parameter, str],
    instance_ids: list[str],
) -> Sighting:
    """Whether all that costs money has the tags, with the instances and their volumes."""
    found = tagged(account, environment)
    expected = billed(account, environment, registry)
    missing = [what for what, arn in expected.items() if arn not in found]
    # EC2 itself knows at once; the Tagging API hears of what is new a little later.
    instances = _instances(account, instance_ids)
    volumes = [each for name in instance_ids for each in _volumes(account, name)]
    wanted = tags_of(environment).items()
    missing += [
        str(each.get("VolumeId") or each["InstanceId"])
        for each in (*instances, *volumes)
        if not wanted <= {tag["Key"]: tag["Value"] for tag in each.get("Tags", [])}.items()
    ]
    if missing:
        return Sighting("bill-tags", Verdict.DIFFERS, f"Without them: {', '.join(missing)}.")
    return Sighting(
        "bill-tags",
        Verdict.SEEN,
        f"{len(expected)} named things that cost money have them, {len(instances)} instances "
        f"and {len(volumes)} volumes.",
    )


def left_over(account: Account, environment: Environment) -> list[str]:
    """What still has the tags, apart from instances that have ended: AWS lists those for long."""
    return sorted(arn for arn in tagged(account, environment) if not _has_ended(account, arn))


def _has_ended(account: Account, arn: str) -> bool:
    if ":instance/" not in arn:
        return False
    try:
        found = _instances(account, [arn.rpartition("/")[2]])
    except ClientError as error:
        if code_of(error) != "InvalidInstanceID.NotFound":
            raise
        return True
    return {each["State"]["Name"] for each in found} <= {"terminated", "shutting-down"}


def _instances(account: Account, instance_ids: list[str]) -> list[dict[str, Any]]:
    if not instance_ids:  # without an id, EC2 describes all
        return []
    found = account.client("ec2").describe_instances(InstanceIds=instance_ids)
    return [each for one in found["Reservations"] for each in one["Instances"]]


def _volumes(account: Account, instance_id: str) -> list[dict[str, Any]]:
    filters = [{"Name": "attachment.instance-id", "Values": [instance_id]}]
    found: list[dict[str, Any]] = account.client("ec2").describe_volumes(Filters=filters)["Volumes"]
    return found


def _policy(account: Account, group: str) -> dict[str, Any]:
    found = account.client("autoscaling").describe_auto_scaling_groups(
        AutoScalingGroupNames=[group]
    )
    policy: dict[str, Any] = found["AutoScalingGroups"][0]["MixedInstancesPolicy"]
    return policy
