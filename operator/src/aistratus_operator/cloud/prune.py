"""Removes old images of the workers with their snapshots, and none that something still starts.

    prune(account, "aistratus", "tinyllama", keep=3)

Each kept image costs its snapshots (docs/cost.md), and a month's update makes a new one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from aistratus_operator.cloud.aws import Account, code_of
from aistratus_operator.cloud.images import parameter_name, published
from aistratus_operator.errors import OperatorError

_ENDED: Final = ("shutting-down", "terminated")
# Another image has the snapshot too, or an earlier run has deleted it.
_SNAPSHOT_STAYS: Final = frozenset({"InvalidSnapshot.InUse", "InvalidSnapshot.NotFound"})


@dataclass(frozen=True, slots=True)
class OldImage:
    """An image of ours with its snapshots; `kept_for` is empty if it is to go."""

    id: str
    name: str
    created: str
    snapshots: tuple[str, ...]
    kept_for: str = ""


def prune(
    account: Account,
    project: str,
    variant: str,
    keep: int,
    *,
    dry_run: bool = False,
    confirm: Callable[[list[OldImage]], bool] | None = None,
) -> list[OldImage]:
    """Deregister a variant's images but the newest `keep` and those in use; returns all of them.

    `confirm`, if given, is asked before something is removed. Raises an `OperatorError` if it
    says no.
    """
    found = _judged(account, project, variant, keep)
    old = [each for each in found if not each.kept_for]
    if dry_run or not old:
        return found
    if confirm is not None and not confirm(old):
        raise OperatorError(f"Nothing was removed: that was not {variant}.")
    ec2 = account.client("ec2")
    for image in old:
        ec2.deregister_image(ImageId=image.id)
        for snapshot in image.snapshots:
            try:
                ec2.delete_snapshot(SnapshotId=snapshot)
            except ClientError as error:
                if code_of(error) not in _SNAPSHOT_STAYS:
                    raise
    return found


def _judged(account: Account, project: str, variant: str, keep: int) -> list[OldImage]:
    """The variant's images, the newest first, each with what it is kept for."""
    images = sorted(_images(account, variant), key=lambda image: image["CreationDate"])
    in_use = _in_use(account, project) if len(images) > keep else {}
    return [
        OldImage(
            image["ImageId"],
            image["Name"],
            image["CreationDate"],
            tuple(_snapshots(image)),
            "one of the newest" if number < keep else in_use.get(image["ImageId"], ""),
        )
        for number, image in enumerate(reversed(images))
    ]


def _images(account: Account, variant: str) -> list[dict[str, Any]]:
    """The images that our template has made and tagged (packer/worker/source.pkr.hcl)."""
    pages = account.client("ec2").get_paginator("describe_images")
    filters = [
        {"Name": "tag:aistratus:part", "Values": ["worker-image"]},
        {"Name": "tag:aistratus:variant", "Values": [variant]},
        {"Name": "state", "Values": ["available"]},
    ]
    found = pages.paginate(Owners=["self"], Filters=filters, IncludeDeprecated=True)
    return [image for page in found for image in page["Images"]]


def _snapshots(image: dict[str, Any]) -> Iterator[str]:
    for mapping in image.get("BlockDeviceMappings", []):
        if snapshot := mapping.get("Ebs", {}).get("SnapshotId"):
            yield snapshot


def _in_use(account: Account, project: str) -> dict[str, str]:
    """The images that something in the region starts or runs, each with what does."""
    ec2 = account.client("ec2")
    used: dict[str, str] = {}
    instances = ec2.get_paginator("describe_instances").paginate()
    for page in instances:
        for instance in (each for one in page["Reservations"] for each in one["Instances"]):
            if instance["State"]["Name"] not in _ENDED:
                used[instance["ImageId"]] = f"the instance {instance['InstanceId']}"
    for version in _template_versions(account):
        if image_id := version["LaunchTemplateData"].get("ImageId"):
            used[image_id] = f"the launch template {version['LaunchTemplateName']}"
    if image_id := published(account, project):
        used[image_id] = parameter_name(project)
    return used


def _template_versions(account: Account) -> Iterator[dict[str, Any]]:
    """Each launch template's latest and default version, and those that groups name."""
    pages = account.client("ec2").get_paginator("describe_launch_template_versions")
    for page in pages.paginate(Versions=["$Latest", "$Default"]):
        yield from page["LaunchTemplateVersions"]
    named: dict[str, set[str]] = {}
    groups = account.client("autoscaling").get_paginator("describe_auto_scaling_groups")
    for page in groups.paginate():
        for group in page["AutoScalingGroups"]:
            for said in _specifications(group):
                if said.get("LaunchTemplateId") and said.get("Version", "$Default").isdigit():
                    named.setdefault(said["LaunchTemplateId"], set()).add(said["Version"])
    for template, versions in named.items():
        for page in pages.paginate(LaunchTemplateId=template, Versions=sorted(versions)):
            yield from page["LaunchTemplateVersions"]


def _specifications(group: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The launch templates that a group, its policy and its instances name."""
    template = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    for holder in (group, *group.get("Instances", []), *template.get("Overrides", [])):
        for key in ("LaunchTemplate", "LaunchTemplateSpecification"):
            if said := holder.get(key):
                yield said
    if said := template.get("LaunchTemplateSpecification"):
        yield said
