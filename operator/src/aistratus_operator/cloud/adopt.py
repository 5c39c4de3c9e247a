"""Adopts what a killed run has left: resources that AWS has and Terraform's state lacks.

When a run is killed after AWS has created a resource and before Terraform has recorded it, the
next run finds the name taken. All names begin with project and environment, in the operator's own
account, so the resource belongs to that environment and is imported into its state.
"""

import re
from typing import Final

from aistratus_operator.cloud.stack import Stack

# Types whose import id is their name, which the provider puts into its error.
_BY_NAME: Final = frozenset(
    {
        "aws_autoscaling_group",
        "aws_cloudwatch_log_group",
        "aws_dynamodb_table",
        "aws_iam_instance_profile",
        "aws_iam_role",
        "aws_lambda_function",
        "aws_ssm_parameter",
    }
)
_TAKEN: Final = re.compile(r"already\s+exist|AlreadyExists|ResourceInUseException", re.IGNORECASE)
_ERROR: Final = re.compile(r"^[│╷ ]*Error: ", flags=re.MULTILINE)
_ADDRESS: Final = re.compile(r"^[│ ]*with (\S+),$", flags=re.MULTILINE)
_NAME: Final = re.compile(r"\(([^()\s]+)\)")


def orphans(stack: Stack, output: str) -> dict[str, str]:
    """The resources that Terraform could not create because they exist: ids by address."""
    found = {}
    for block in _ERROR.split(output)[1:]:
        address, name = _ADDRESS.search(block), _NAME.search(block)
        if not (_TAKEN.search(block) and address and name):
            continue
        parts = address[1].split(".")
        if parts[-2] in _BY_NAME and _is_ours(stack, name[1]):
            found[address[1]] = name[1]
    return found


def _is_ours(stack: Stack, name: str) -> bool:
    own = (stack.environment.full_name, stack.environment.registry_prefix.lstrip("/"))
    return any(re.search(rf"(^|/){re.escape(each)}($|[-/])", name) for each in own)
