"""A shell on an environment's running instance, through Session Manager: no port is open for it."""

import os
import sys
from typing import Any, Final, NoReturn

from aistratus_contracts.registry import Parameter
from aistratus_operator.cloud.aws import Account, sign_in
from aistratus_operator.cloud.environments import Environment
from aistratus_operator.cloud.registry import read_parameter
from aistratus_operator.cloud.shell_programs import find_programs
from aistratus_operator.errors import OperatorError

_READY: Final = "InService"


def open_shell(environment: Environment) -> NoReturn:
    """Check, then become `aws ssm start-session`, whose exit code is the command's."""
    aws = find_programs()
    account = sign_in(environment.region)
    instance_id = find_instance(account, environment)
    words = [aws, "ssm", "start-session", "--target", instance_id, "--region", account.region]
    sys.stderr.write(f"A shell on {instance_id} of {environment.name}; exit ends it.\n")
    sys.stderr.flush()
    os.execv(aws, words)  # noqa: S606  no shell is wanted


def find_instance(account: Account, environment: Environment) -> str:
    """The instance to open a shell on: of several, the one that serves.

    Raises an `OperatorError` if the environment has Session Manager off, if no instance is on, or
    if the instance's agent has not reported.
    """
    name = environment.name
    if not environment.session_manager:
        raise OperatorError(
            f"{name} has Session Manager off. Set session_manager = true in "
            f"terraform/envs/{name}.tfvars, then make deploy ENV={name}."
        )
    group = read_parameter(account, environment, Parameter.FLEET_GROUP)
    found = account.client("autoscaling").describe_auto_scaling_groups(
        AutoScalingGroupNames=[group]
    )["AutoScalingGroups"]
    instances: list[dict[str, Any]] = found[0]["Instances"] if found else []
    instances.sort(key=lambda each: each["LifecycleState"] != _READY)
    if not instances:
        raise OperatorError(f"No instance of {name} is on. Turn one on with: make start ENV={name}")
    instance_id = str(instances[0]["InstanceId"])
    told = account.client("ssm").describe_instance_information(
        Filters=[{"Key": "InstanceIds", "Values": [instance_id]}]
    )["InstanceInformationList"]
    if not told or told[0]["PingStatus"] != "Online":
        raise OperatorError(
            f"Session Manager's agent on {instance_id} has not reported. It does so about a minute "
            "after the start, if the image has the agent: Ubuntu's has, Debian's has not "
            "(docs/cloud.md, A shell on an instance)."
        )
    return instance_id
