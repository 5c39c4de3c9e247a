"""Moto's Auto Scaling, corrected so that groups start instances as AWS would.

moto takes the instance type from the launch template alone, which names none if the group allows
several types. It also ignores the image's volumes, for which a launch template states only what
differs, and the template's tags for volumes. Of a group's policy it forgets what an update does not
name, or fails half-way and leaves the group without a launch template.
"""

from typing import Any, Final

from moto.autoscaling.models import FakeAutoScalingGroup
from moto.ec2.models.instances import Instance
from moto.ec2.utils import convert_tag_spec

# The size of a volume from the image; any value will do, as nothing reads it.
IMAGE_VOLUME_GIB: Final = 1

_add_block_device: Final = Instance.add_block_device
_replace_instances: Final = FakeAutoScalingGroup.replace_autoscaling_group_instances
_update: Final = FakeAutoScalingGroup.update


def install() -> None:
    """Correct moto's groups and instances, in this process."""
    FakeAutoScalingGroup.instance_type = property(_instance_type)  # type: ignore[assignment]
    Instance.add_block_device = _add_volume  # type: ignore[method-assign,assignment]
    FakeAutoScalingGroup.replace_autoscaling_group_instances = _start_instances  # type: ignore[method-assign,assignment]
    FakeAutoScalingGroup.update = _update_group  # type: ignore[method-assign,assignment]


def _instance_type(group: Any) -> str:
    """The first type that the policy allows, or the launch template's."""
    if not group.ec2_launch_template:
        return str(group.launch_config.instance_type)
    version = group.ec2_launch_template.get_version(group.launch_template_version)
    policy = group.mixed_instances_policy or {}
    overrides = policy.get("LaunchTemplate", {}).get("Overrides", [])
    allowed = [str(each["InstanceType"]) for each in overrides if "InstanceType" in each]
    return allowed[0] if allowed else str(version.instance_type)


def _update_group(group: FakeAutoScalingGroup, **asked: Any) -> None:
    """Change a group; of its policy, what is not named stays.

    AWS' service model requires neither half of a policy, so an update may name one.
    """
    named = asked["mixed_instances_policy"] or {}
    policy = {**(group.mixed_instances_policy or {}), **named}
    template = policy.get("LaunchTemplate", {}).get("LaunchTemplateSpecification", {})
    if "LaunchTemplateId" in template:
        # moto keeps both, and takes only one.
        template.pop("LaunchTemplateName", None)
    _update(group, **{**asked, "mixed_instances_policy": policy or None})


def _add_volume(
    instance: Instance,
    size: int | None,
    device_path: str,
    snapshot_id: str | None,
    *args: Any,
    **kwargs: Any,
) -> None:
    """Add a volume; one without size and snapshot takes both from the image."""
    if size is None and snapshot_id is None:
        size = IMAGE_VOLUME_GIB
    _add_block_device(instance, size, device_path, snapshot_id, *args, **kwargs)  # type: ignore[arg-type]


def _start_instances(
    group: FakeAutoScalingGroup, count_needed: int, propagated_tags: dict[str, str]
) -> None:
    """Start instances, whose volumes get the launch template's tags."""
    known = {state.instance.id for state in group.instance_states}
    _replace_instances(group, count_needed, propagated_tags)
    if not group.ec2_launch_template:
        return
    version = group.ec2_launch_template.get_version(group.launch_template_version)
    tags = convert_tag_spec(version.data.get("TagSpecifications", [])).get("volume", {})
    volumes = group.autoscaling_backend.ec2_backend.volumes
    for state in group.instance_states:
        if state.instance.id not in known:
            for device in state.instance.block_device_mapping.values():
                volumes[device.volume_id].add_tags(tags)
