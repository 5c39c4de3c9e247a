"""Of what is deployed: that its parts are there, work, and are told apart on the bill."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from botocore.exceptions import ClientError

from aistratus_contracts.registry import OF_FUNCTIONS, Parameter
from aistratus_operator.cloud.aws import code_of
from aistratus_operator.cloud.bill import billed, instance_arn, log_groups, tagged, tags_of
from aistratus_operator.cloud.doctor.findings import NotSeen
from aistratus_operator.cloud.doctor.patient import Patient
from aistratus_operator.errors import OperatorError

_LOOKED_BACK: Final = timedelta(hours=1)
# The steward runs each minute; CloudWatch's figures come minutes later.
_SILENCE: Final = timedelta(minutes=15)


def registry(patient: Patient) -> str:
    """All ids are in the registry."""
    if not patient.registry:
        raise NotSeen(
            f"{patient.environment.name} is not deployed in {patient.account.region}. Deploy it "
            f"with: {patient.deploy_again}"
        )
    needed = [each for each in Parameter if each not in OF_FUNCTIONS]
    missing = [each.value for each in needed if each not in patient.registry]
    if missing:
        raise OperatorError(
            f"The registry {patient.environment.registry_prefix} lacks {', '.join(missing)}. Write "
            f"it again: {patient.deploy_again}"
        )
    return f"All {len(patient.registry)} ids are in {patient.environment.registry_prefix}."


def ids(patient: Patient) -> str:
    """What the registry names exists."""
    gone = [
        f"{each.value} ({patient.registry[each]})"
        for each, exists in _EXISTS.items()
        if each in patient.registry and not exists(patient)
    ]
    if gone:
        raise OperatorError(
            f"The registry names what is not there: {', '.join(gone)}. Make it again: "
            f"{patient.deploy_again}"
        )
    return "Queues, table, users' pool, group and hook are there."


def router(patient: Patient) -> str:
    """The router's function is ready, and ends without errors."""
    return _function(patient, "router")


def steward(patient: Patient) -> str:
    """The steward's function is ready, is called each minute, and ends without errors."""
    name = f"{patient.environment.full_name}-steward"
    rule = patient.client("events").describe_rule(Name=name)
    if rule["State"] != "ENABLED":
        raise OperatorError(
            f"The rule {name} is {rule['State'].lower()}, so nobody turns idle GPUs off. Enable it "
            f"with: aws events enable-rule --name {name} --region {patient.account.region}"
        )
    return _function(patient, "steward", silence=_SILENCE)


def alarms(patient: Patient) -> str:
    """No alarm has gone off."""
    prefix = f"{patient.environment.full_name}-"
    pages = patient.client("cloudwatch").get_paginator("describe_alarms")
    found = [
        alarm for page in pages.paginate(AlarmNamePrefix=prefix) for alarm in page["MetricAlarms"]
    ]
    if not found:
        raise OperatorError(f"There are no alarms. Make them again: {patient.deploy_again}")
    ringing = [alarm for alarm in found if alarm["StateValue"] == "ALARM"]
    if ringing:
        raise OperatorError(
            " ".join(
                f"{alarm['AlarmName']} since {_minute(alarm['StateUpdatedTimestamp'])}: "
                f"{alarm['AlarmDescription']}"
                for alarm in ringing
            )
        )
    return f"None of {len(found)} has gone off."


def queue(patient: Patient) -> str:
    """How many jobs wait."""
    waiting, running = _messages(patient, Parameter.QUEUE_URL)
    return f"{waiting} queue messages wait, workers hold {running}; {patient.open_jobs} open jobs."


def dead_letters(patient: Patient) -> str:
    """No queue message was given up."""
    count = sum(_messages(patient, Parameter.DEAD_LETTER_QUEUE_URL))
    if count:
        raise OperatorError(
            f"There are {count} dead letters. See why with: make redrive "
            f"ENV={patient.environment.name} REGION={patient.account.region}"
        )
    return "There are none."


def logs(patient: Patient) -> str:
    """Each log group is there, and does not keep everything for ever."""
    client = patient.client("logs")
    kept = {
        each["logGroupName"]: each.get("retentionInDays")
        for name in log_groups(patient.environment)
        for each in client.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    }
    missing = [name for name in log_groups(patient.environment) if name not in kept]
    endless = [name for name in log_groups(patient.environment) if kept.get(name, 0) is None]
    if missing or endless:
        parts = []
        if missing:
            parts.append(f"{', '.join(missing)} is missing")
        if endless:
            parts.append(f"{', '.join(endless)} keeps everything for ever")
        raise OperatorError(f"{' and '.join(parts)}. Mend it with: {patient.deploy_again}")
    days = sorted({int(kept[name] or 0) for name in log_groups(patient.environment)})
    return f"{len(log_groups(patient.environment))} groups, kept for {_words(days)} days."


def budget(patient: Patient) -> str:
    """The month's budget is not used up, if there is one."""
    name = patient.environment.full_name
    try:
        found = patient.client("budgets").describe_budget(
            AccountId=patient.account.id, BudgetName=name
        )["Budget"]
    except ClientError as error:
        if code_of(error) != "NotFoundException":
            raise
        return (
            "None is set. monthly_budget_usd and alarm_email in "
            f"terraform/envs/{patient.environment.name}.tfvars set one."
        )
    limit = float(found["BudgetLimit"]["Amount"])
    spent = float(found.get("CalculatedSpend", {}).get("ActualSpend", {}).get("Amount", 0))
    if spent > limit:
        raise OperatorError(
            f"{spent:.2f} of {limit:.2f} USD of this month are spent. See on what: "
            "https://console.aws.amazon.com/costmanagement/home#/cost-explorer"
        )
    return f"{spent:.2f} of {limit:.2f} USD of this month are spent."


def tags(patient: Patient) -> str:
    """What costs money has the tags by which the bill is told apart."""
    expected = billed(patient.account, patient.environment, patient.registry)
    for instance in patient.described_group["Instances"]:
        instance_id = instance["InstanceId"]
        expected[instance_id] = instance_arn(patient.account, instance_id)
    found = tagged(patient.account, patient.environment)
    missing = [what for what, arn in expected.items() if arn not in found]
    said = " and ".join(f"{key}={value}" for key, value in tags_of(patient.environment).items())
    if missing:
        raise OperatorError(
            f"Without the tags {said}: {', '.join(missing)}. Mend it with: {patient.deploy_again}"
        )
    return (
        f"{len(expected)} things that cost money have {said}, and {len(found)} things in all. The "
        "bill shows them once the tags are activated: "
        "https://console.aws.amazon.com/billing/home#/tags"
    )


def _function(patient: Patient, part: str, silence: timedelta | None = None) -> str:
    """A function's state and its last hour. After `silence` without a call something is wrong."""
    name = f"{patient.environment.full_name}-{part}"
    found = patient.client("lambda").get_function_configuration(FunctionName=name)
    update = found.get("LastUpdateStatus", "Successful")
    if found.get("State", "Active") not in ("Active", "Inactive") or update == "Failed":
        why = found.get("LastUpdateStatusReason") or found.get("StateReason") or "no reason given"
        raise OperatorError(
            f"The function {name} is not ready: {why.rstrip('.')}. Deploy it again: "
            f"{patient.deploy_again}"
        )
    counts = {what: _sum(patient, name, what, _LOOKED_BACK) for what in ("Invocations", "Errors")}
    if counts["Errors"]:
        raise OperatorError(
            f"{int(counts['Errors'])} of {int(counts['Invocations'] or 0)} calls of {name} failed "
            f"in the last hour. See why with: aws logs tail /aws/lambda/{name} --since 1h "
            f"--region {patient.account.region}"
        )
    changed = datetime.fromisoformat(found["LastModified"].replace("+0000", "+00:00"))
    if silence and not _sum(patient, name, "Invocations", silence):
        minutes = int(silence.total_seconds() // 60)
        if patient.now - changed < silence:
            raise NotSeen(
                f"The function is ready, and was changed less than {minutes} minutes ago: "
                "CloudWatch knows no call yet. Look again later."
            )
        raise OperatorError(
            f"{name} was not called for {minutes} minutes, so nobody turns idle GPUs off. Look at "
            f"its rule, and turn the GPU off meanwhile: make stop ENV={patient.environment.name}"
        )
    return f"Ready; {int(counts['Invocations'] or 0)} calls in the last hour, none failed."


def _sum(patient: Patient, function: str, metric: str, back: timedelta) -> float | None:
    """A metric of a function over the last time; None without a figure."""
    found = patient.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName=metric,
        Dimensions=[{"Name": "FunctionName", "Value": function}],
        StartTime=patient.now - back,
        EndTime=patient.now,
        Period=int(back.total_seconds()),
        Statistics=["Sum"],
    )["Datapoints"]
    return sum(float(each["Sum"]) for each in found) if found else None


def _messages(patient: Patient, parameter: Parameter) -> tuple[int, int]:
    """How many queue messages wait, and how many are held."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = patient.client("sqs").get_queue_attributes(
        QueueUrl=patient.registry[parameter], AttributeNames=names
    )["Attributes"]
    return int(found[names[0]]), int(found[names[1]])


def _is_there(call: Callable[[], Any], *codes: str) -> bool:
    """Whether AWS knows what the call asks for; these codes say that it does not."""
    try:
        call()
    except ClientError as error:
        if code_of(error) in codes:
            return False
        raise
    return True


def _queue_exists(parameter: Parameter) -> Callable[[Patient], bool]:
    return lambda patient: _is_there(
        lambda: _messages(patient, parameter),
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
    )


def _table_exists(patient: Patient) -> bool:
    name = patient.registry[Parameter.TABLE_NAME]
    return _is_there(
        lambda: patient.client("dynamodb").describe_table(TableName=name),
        "ResourceNotFoundException",
    )


def _client_exists(patient: Patient) -> bool:
    pool = patient.registry.get(Parameter.USER_POOL_ID, "")
    return _is_there(
        lambda: patient.client("cognito-idp").describe_user_pool_client(
            UserPoolId=pool, ClientId=patient.registry[Parameter.CLIENT_ID]
        ),
        "ResourceNotFoundException",
    )


def _pool_exists(patient: Patient) -> bool:
    pool = patient.registry[Parameter.USER_POOL_ID]
    return _is_there(
        lambda: patient.client("cognito-idp").describe_user_pool(UserPoolId=pool),
        "ResourceNotFoundException",
    )


def _group_exists(patient: Patient) -> bool:
    found = patient.client("autoscaling").describe_auto_scaling_groups(
        AutoScalingGroupNames=[patient.registry[Parameter.FLEET_GROUP]]
    )
    return bool(found["AutoScalingGroups"])


def _hook_exists(patient: Patient) -> bool:
    if not _group_exists(patient):
        return False
    found = patient.client("autoscaling").describe_lifecycle_hooks(
        AutoScalingGroupName=patient.registry[Parameter.FLEET_GROUP],
        LifecycleHookNames=[patient.registry[Parameter.TERMINATION_HOOK]],
    )
    return bool(found["LifecycleHooks"])


_EXISTS: Final[Mapping[Parameter, Callable[[Patient], bool]]] = {
    Parameter.QUEUE_URL: _queue_exists(Parameter.QUEUE_URL),
    Parameter.DEAD_LETTER_QUEUE_URL: _queue_exists(Parameter.DEAD_LETTER_QUEUE_URL),
    Parameter.TABLE_NAME: _table_exists,
    Parameter.USER_POOL_ID: _pool_exists,
    Parameter.CLIENT_ID: _client_exists,
    Parameter.FLEET_GROUP: _group_exists,
    Parameter.TERMINATION_HOOK: _hook_exists,
}


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _words(days: list[int]) -> str:
    return " or ".join(map(str, days))
