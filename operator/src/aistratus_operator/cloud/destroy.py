"""Destroys with one command everything that a deployment made, and nothing else."""

from collections.abc import Callable, Mapping
from typing import Final

from aistratus_operator.cloud.deploy import Options
from aistratus_operator.cloud.images import Image
from aistratus_operator.cloud.progress import Progress
from aistratus_operator.cloud.public_file import forget
from aistratus_operator.cloud.stack import Stack, open_stack, short
from aistratus_operator.cloud.terraform import TerraformFailed
from aistratus_operator.errors import OperatorError

# Terraform requires every variable, even for things that it is about to remove.
_ANY_IMAGE: Final = Image("ami-00000000000000000", "/dev/sdf", "nowhere")


def destroy(
    name: str,
    region: str = "",
    options: Options | None = None,
    variables: Mapping[str, str] | None = None,
    confirm: Callable[[str], str] | None = None,
) -> None:
    """Remove the environment. `confirm`, if given, must return the environment's name."""
    options = options or Options()
    stack = open_stack(name, region, folder=options.folder, variables=variables)
    stack.check_deployed()
    _check_unprotected(stack)
    stack.check_unlocked()
    if confirm is not None:
        answer = confirm(
            f"This removes {name} from account {stack.account.id}, {stack.account.region}: all "
            f"conversations, all users, all logs. Type {name} to go on: "
        )
        if answer.strip() != name:
            raise OperatorError(f"Nothing was removed: that was not {name}.")
    with Progress(stack.data / "destroy.log", options.out) as progress:
        # Terraform needs the hash of some package, not of the right one.
        package = stack.data / "no-router.zip"
        package.write_bytes(b"")
        try:
            stack.init(progress)
            stack.run(
                "destroy", "-auto-approve", image=_ANY_IMAGE, router_zip=package, watch=progress
            )
        except TerraformFailed as error:
            raise OperatorError(
                f"{error}\nRun the same command again: it goes on from there. All that Terraform "
                f"said is in {short(progress.log)}."
            ) from error
        forget(options.env_file, name)
        progress.say(
            f"{name} is gone, in {progress.took}. Kept: the state bucket {stack.bucket}, and "
            "images with their snapshots (make prune-images removes all but the newest)."
        )


def _check_unprotected(stack: Stack) -> None:
    if stack.environment.deletion_protection:
        name = stack.environment.name
        raise OperatorError(
            f"{name} is protected from deletion. Set deletion_protection = false in "
            f"terraform/envs/{name}.tfvars, run make deploy ENV={name}, then make destroy "
            f"ENV={name}."
        )
