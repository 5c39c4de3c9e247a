"""The AWS services that the router has clients for.

botocore brings the descriptions of all of AWS; the Lambda package takes along only these.
"""

from typing import Final

SERVICES: Final = ("autoscaling", "dynamodb", "sqs", "ssm")
