"""Of the account: what a deploy checks before it makes anything."""

from aistratus_operator.cloud import state
from aistratus_operator.cloud.capacity import check_offerings, check_quotas
from aistratus_operator.cloud.concurrency import available_concurrency, concurrency_warning
from aistratus_operator.cloud.doctor.findings import NotSeen
from aistratus_operator.cloud.doctor.patient import Patient
from aistratus_operator.cloud.terraform import find, version_of


def terraform(_: Patient) -> str:
    """Terraform is installed, and new enough."""
    path = find()
    return f"Terraform {'.'.join(map(str, version_of(path)))}."


def credentials(patient: Patient) -> str:
    """Somebody is signed in."""
    account = patient.account
    return f"{account.caller_arn} in account {account.id}, {account.region}."


def instance_types(patient: Patient) -> str:
    """The region has the environment's types."""
    offered = check_offerings(patient.account, patient.environment)
    missing = [kind for kind in patient.environment.instance_types if kind not in offered]
    without = f" It has no {', '.join(missing)}." if missing else ""
    return f"{patient.account.region} has {', '.join(offered)}.{without}"


def quotas(patient: Patient) -> str:
    """A GPU may start."""
    warnings = check_quotas(patient.account, patient.environment)
    text = " ".join(warnings)
    if "could not be read" in text:
        raise NotSeen(text)
    return text or "Large enough for a GPU instance, in each way of buying."


def concurrency(patient: Patient) -> str:
    """Lambda may run enough functions at once."""
    limit = available_concurrency(patient.account, patient.environment)
    warning = concurrency_warning(limit, patient.account.region)
    if limit is None:
        raise NotSeen(warning)
    return warning or f"Lambda may run {limit} functions at once."


def state_lock(patient: Patient) -> str:
    """Nobody holds Terraform's state."""
    bucket = state.bucket_name(patient.account, patient.environment.project)
    if not state.has_bucket(patient.account, bucket):
        return f"There is no state bucket in {patient.account.region} yet; a deploy makes it."
    state.check_unlocked(patient.account, bucket, patient.environment.name)
    return "Nobody holds it."
