"""The AWS services that the router has clients for.

botocore ships descriptions of all AWS services; the Lambda package keeps only these.
"""

from typing import Final

SERVICES: Final = ("autoscaling", "dynamodb", "sqs", "ssm")
