"""Of the GPU: what instances start from, whether table and group agree, and what it costs now."""

from datetime import datetime, timedelta
from typing import Any, Final

from botocore.exceptions import ClientError

from aistratus_operator.cloud.aws import code_of
from aistratus_operator.cloud.capacity import check_offerings
from aistratus_operator.cloud.doctor.patient import Patient
from aistratus_operator.cloud.fit import check_fit
from aistratus_operator.cloud.gpu import told
from aistratus_operator.cloud.images import Image, choose, look_at
from aistratus_operator.cloud.instance_types import known_instance_types
from aistratus_operator.errors import OperatorError
from aistratus_router.fleet.shortage import sentence

# The steward looks once a minute; what takes longer than a few of its rounds is left undone.
_GRACE: Final = timedelta(minutes=5)


def launch_template(patient: Patient) -> str:
    """The template that the group starts instances from is there."""
    version = _template(patient)
    return f"{version['LaunchTemplateName']}, version {version['VersionNumber']}."


def image(patient: Patient) -> str:
    """The image is there and fits the types: the deployed one, or the one that a deploy takes."""
    account, environment = patient.account, patient.environment
    found: Image
    if patient.image_id or not patient.registry:
        found = choose(account, environment.project, patient.image_id)
    else:
        found = deployed_image(patient)
    offered = check_offerings(account, environment)
    warnings = check_fit(account, environment, offered, found)
    said = f"{found.id} ({found.found_in}), {found.architecture}."
    return " ".join([said, *warnings])


def deployed_image(patient: Patient) -> Image:
    """What the group's instances start from; raises an `OperatorError` if it is gone."""
    data = _template(patient)["LaunchTemplateData"]
    return look_at(patient.account, data["ImageId"], "of the launch template")


def fleet(patient: Patient) -> str:
    """The table and the group agree on whether a GPU is on, and nothing is in the way."""
    shown, wanted, view = patient.fleet.show(), patient.seen.wanted, patient.view
    if wanted.problem:
        raise OperatorError(wanted.problem)
    since = patient.now - wanted.changed_at
    is_on = view.desired > 0
    if wanted.is_on is not is_on and since > _GRACE:
        table, group = ("on", "off") if wanted.is_on else ("off", "on")
        raise OperatorError(
            f"The table has wanted the GPU {table} for {_length(since)}, and the group "
            f"{patient.group.name} is {group}: the steward does not do its work. Look at its log: "
            f"aws logs tail /aws/lambda/{patient.environment.full_name}-steward --since 1h "
            f"--region {patient.account.region}"
        )
    return told(patient.environment.name, shown)


def starts(patient: Patient) -> str:
    """AWS gives an instance when one is wanted."""
    wanted = patient.seen.wanted
    if not wanted.is_on:
        return "No instance is wanted."
    failure = patient.group.last_failure(max(wanted.changed_at, wanted.switched_at))
    if failure and not patient.view.instances:
        raise OperatorError(sentence(failure))
    return "No start has failed since the last wake."


def idle(patient: Patient) -> str:
    """No instance is on for nothing."""
    instances = _instances(patient)
    if not instances:
        return "No instance is on."
    wanted = patient.seen.wanted
    on = [_on_for(patient, each) for each in instances]
    listed = ", ".join(on)
    if patient.open_jobs:
        return f"{patient.open_jobs} open jobs. On: {listed}."
    schedule = patient.fleet.schedule
    # When its hours have just ended, the steward's next rounds turn it off.
    if hours := schedule.window(patient.now) or schedule.window(patient.now - _GRACE):
        return f"The schedule keeps it on until {hours.ends_at:%H:%M} UTC. On: {listed}."
    began = min(each["LaunchTime"] for each in instances)
    idle_for = patient.now - max(began, wanted.active_at, wanted.changed_at)
    limit = timedelta(seconds=patient.fleet.idle_timeout_seconds)
    if idle_for > limit + _GRACE:
        raise OperatorError(
            f"Without a job for {_length(idle_for)}, and the steward has not turned it off: "
            f"{listed}. Turn it off: make stop ENV={patient.environment.name} "
            f"REGION={patient.account.region}"
        )
    return f"No job for {_length(idle_for)}; off after {_length(limit)}. On: {listed}."


def _template(patient: Patient) -> dict[str, Any]:
    """The launch template's version that the group names."""
    policy = patient.described_group["MixedInstancesPolicy"]
    said = policy["LaunchTemplate"]["LaunchTemplateSpecification"]
    try:
        found = patient.client("ec2").describe_launch_template_versions(
            LaunchTemplateId=said["LaunchTemplateId"], Versions=[said.get("Version", "$Default")]
        )
    except ClientError as error:
        if not code_of(error).startswith("InvalidLaunchTemplate"):
            raise
        raise OperatorError(
            f"The group's launch template {said['LaunchTemplateId']} is gone, so no instance can "
            f"start. Make it again: {patient.deploy_again}"
        ) from error
    version: dict[str, Any] = found["LaunchTemplateVersions"][0]
    return version


def _instances(patient: Patient) -> list[dict[str, Any]]:
    """What EC2 says of the group's instances that are on."""
    names = [each["InstanceId"] for each in patient.described_group["Instances"]]
    if not names:
        return []
    found = patient.client("ec2").describe_instances(InstanceIds=names)
    return [
        each
        for reservation in found["Reservations"]
        for each in reservation["Instances"]
        if each["State"]["Name"] not in ("terminated", "shutting-down")
    ]


def _on_for(patient: Patient, instance: dict[str, Any]) -> str:
    """An instance, for how long it is on, and what it has cost at most."""
    since: datetime = instance["LaunchTime"]
    on_for, kind = patient.now - since, str(instance["InstanceType"])
    prices = {each.type: each.usd_per_hour for each in known_instance_types()}
    price = prices.get(kind, 0.0) * on_for.total_seconds() / 3600
    cost = f", at most {price:.2f} USD so far" if price else ""
    return f"{instance['InstanceId']} ({kind}) for {_length(on_for)}{cost}"


def _length(span: timedelta) -> str:
    minutes = max(0, int(span.total_seconds() // 60))
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
