"""The state bucket and the rights of GitHub's workflows, made once per account and region.

Its own state is in the bucket that it describes. So a plain call creates the bucket first, and
Terraform then takes it over. Running it again finishes an interrupted run.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final, TextIO

from botocore.exceptions import ClientError

from aistratus_operator.checks import BOOTSTRAP
from aistratus_operator.cloud import state
from aistratus_operator.cloud.aws import Account, said_by
from aistratus_operator.cloud.environments import TERRAFORM
from aistratus_operator.cloud.progress import Progress, tell
from aistratus_operator.cloud.terraform import Terraform
from aistratus_operator.errors import OperatorError

# Written when Terraform has finished. The state cannot show that: an interrupted run writes all
# planned outputs.
_COMPLETE: Final = f"{BOOTSTRAP}/complete.json"
_GITHUB_ISSUER: Final = "token.actions.githubusercontent.com"
_GITHUB_PROVIDER: Final = "aws_iam_openid_connect_provider"


def is_complete(account: Account, project: str) -> bool:
    """Whether a bootstrap has ever finished here."""
    bucket = state.bucket_name(account, project)
    return (
        state.has_bucket(account, bucket)
        and state.read_json(account, bucket, _COMPLETE) is not None
    )


def bootstrap(
    account: Account,
    project: str,
    github_repository: str | None = None,
    *,
    folder: Path = TERRAFORM,
    out: TextIO = sys.stderr,
) -> dict[str, Any]:
    """Make everything or bring it up to date; returns the outputs.

    With None as `github_repository` the last one stays; an empty string removes the workflows'
    roles.
    """
    bucket = state.bucket_name(account, project)
    if not state.has_bucket(account, bucket):
        tell(out, f"Making the state bucket {bucket} …")
        state.make_bucket(account, bucket)
    state.check_unlocked(account, bucket, BOOTSTRAP)
    known = state.read_json(account, bucket, state.key_of(BOOTSTRAP))
    if github_repository is None:
        github_repository = str(state.outputs(known).get("github_repository") or "")
    variables = {
        "project": project,
        "region": account.region,
        "bucket": bucket,
        "github_repository": github_repository,
        "github_provider_exists": json.dumps(
            bool(github_repository) and _provider_of_others(account, known)
        ),
    }
    data = state.data_folder(bucket, BOOTSTRAP)
    terraform = Terraform(folder / BOOTSTRAP, data)
    with Progress(data / "apply.log", out) as progress:
        terraform.init(
            "-reconfigure",
            *state.backend(account, bucket, state.key_of(BOOTSTRAP)),
            watch=progress,
        )
        terraform.run(
            "apply",
            "-auto-approve",
            *(f"-var={name}={value}" for name, value in variables.items()),
            watch=progress,
        )
        found = terraform.json("output", "-json")
        outputs = {name: output["value"] for name, output in found.items()}
        body = json.dumps({"github_repository": github_repository}).encode()
        account.client("s3").put_object(Bucket=bucket, Key=_COMPLETE, Body=body)
        progress.say(f"The state bucket {bucket} is ready ({progress.took}).")
    return outputs


def _provider_of_others(account: Account, known: dict[str, Any] | None) -> bool:
    """Whether the account has GitHub's identity provider and we did not make it."""
    if any(resource["type"] == _GITHUB_PROVIDER for resource in (known or {}).get("resources", [])):
        return False
    try:
        listed = account.client("iam").list_open_id_connect_providers()
    except ClientError as error:
        raise OperatorError(
            f"The account's identity providers cannot be listed: {said_by(error)}. Get the right "
            "to iam:ListOpenIDConnectProviders, or leave GITHUB_REPOSITORY out."
        ) from error
    arns = [provider["Arn"] for provider in listed["OpenIDConnectProviderList"]]
    return any(arn.endswith(f"/{_GITHUB_ISSUER}") for arn in arns)
