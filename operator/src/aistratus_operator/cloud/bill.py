"""The tags by which a deployment's part of the bill is told apart from the rest."""

from collections.abc import Mapping

from aistratus_contracts.registry import Parameter
from aistratus_operator.cloud.aws import Account
from aistratus_operator.cloud.environments import Environment


def tagged(account: Account, environment: Environment) -> set[str]:
    """The ARNs of all that has the environment's tags, as the Resource Groups Tagging API knows.

    AWS goes on listing what was removed for a while.
    """
    pages = account.client("resourcegroupstaggingapi").get_paginator("get_resources")
    filters = [{"Key": key, "Values": [value]} for key, value in tags_of(environment).items()]
    return {
        each["ResourceARN"].removesuffix(":*")
        for page in pages.paginate(TagFilters=filters)
        for each in page["ResourceTagMappingList"]
    }


def tags_of(environment: Environment) -> dict[str, str]:
    """The tags that Terraform gives to everything (terraform/versions.tf)."""
    return {"project": environment.project, "env": environment.name}


def billed(
    account: Account, environment: Environment, registry: Mapping[Parameter, str]
) -> dict[str, str]:
    """What costs money and has a name: what it is, and its ARN."""
    partition = account.caller_arn.split(":")[1]

    def arn(service: str, rest: str) -> str:
        return f"arn:{partition}:{service}:{account.region}:{account.id}:{rest}"

    queues = {
        "the queue": registry[Parameter.QUEUE_URL],
        "the dead-letter queue": registry[Parameter.DEAD_LETTER_QUEUE_URL],
    }
    return {
        "the router": arn("lambda", f"function:{environment.full_name}-router"),
        "the steward": arn("lambda", f"function:{environment.full_name}-steward"),
        "the table": arn("dynamodb", f"table/{registry[Parameter.TABLE_NAME]}"),
        **{what: arn("sqs", url.rpartition("/")[2]) for what, url in queues.items()},
        **{
            f"the log group {name}": arn("logs", f"log-group:{name}")
            for name in log_groups(environment)
        },
    }


def instance_arn(account: Account, instance_id: str) -> str:
    """An instance's ARN."""
    partition = account.caller_arn.split(":")[1]
    return f"arn:{partition}:ec2:{account.region}:{account.id}:instance/{instance_id}"


def log_groups(environment: Environment) -> list[str]:
    """The deployment's log groups (terraform/modules: router, api, fleet)."""
    return [
        f"/aws/lambda/{environment.full_name}-router",
        f"/aws/lambda/{environment.full_name}-steward",
        f"/aws/apigateway/{environment.full_name}",
        f"{environment.registry_prefix}/worker",
    ]
