"""How many functions Lambda may run at once for an environment, and whether that is few.

Source: AWS, "Lambda quotas" and "Configuring reserved concurrency for a function".
"""

from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from aistratus_operator.cloud.aws import Account, code_of
from aistratus_operator.cloud.environments import Environment

# AWS keeps this much for the functions that reserve none; a new account has 10 in all.
ALWAYS_UNRESERVED: Final = 100
QUOTA: Final = "L-B99A9384"  # Concurrent executions
ENOUGH: Final = 1000


def available_concurrency(account: Account, environment: Environment) -> int | None:
    """The account's limit less what functions of others reserve; None if it cannot be read."""
    client = account.client("lambda")
    try:
        limit = client.get_account_settings()["AccountLimit"]
        unreserved = int(limit["UnreservedConcurrentExecutions"])
        return unreserved + sum(
            _reserved(client, f"{environment.full_name}-{part}") for part in ("router", "steward")
        )
    except (BotoCoreError, ClientError):
        return None


def concurrency_warning(concurrency: int | None, region: str) -> str:
    """What a small limit means, and how to ask for more; empty if it is large enough."""
    if concurrency is None:
        return (
            "How many functions Lambda may run at once could not be read, so the deployment is "
            "made for 10, as in a new account. Get the right to lambda:GetAccountSettings and "
            "lambda:GetFunctionConcurrency, then run the same command again."
        )
    if concurrency > ALWAYS_UNRESERVED:
        return ""
    return (
        f"Lambda may run only {concurrency} functions at once here: none can be reserved for the "
        f"steward, so half of them are kept free of readers who wait. Ask for more with "
        f"`aws service-quotas request-service-quota-increase --service-code lambda --quota-code "
        f"{QUOTA} --desired-value {ENOUGH} --region {region}`, then run the same command again."
    )


def _reserved(client: Any, function: str) -> int:
    try:
        found = client.get_function_concurrency(FunctionName=function)
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
        return 0
    return int(found.get("ReservedConcurrentExecutions", 0))
