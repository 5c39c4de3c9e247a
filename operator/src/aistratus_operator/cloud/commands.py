"""The commands for what is deployed; each prints its result and returns its exit code."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from aistratus_operator import redrive
from aistratus_operator.checks import BOOTSTRAP
from aistratus_operator.cloud import state
from aistratus_operator.cloud.aws import code_of, said_by, sign_in
from aistratus_operator.cloud.bake import bake
from aistratus_operator.cloud.bootstrap import bootstrap
from aistratus_operator.cloud.deploy import DIFFERS, Options, deploy, drift, plan
from aistratus_operator.cloud.destroy import destroy
from aistratus_operator.cloud.doctor.checks import examine
from aistratus_operator.cloud.doctor.findings import Verdict
from aistratus_operator.cloud.doctor.patient import Patient
from aistratus_operator.cloud.environments import TERRAFORM, choose_region, load, read_defaults
from aistratus_operator.cloud.gpu import fleet_of, told
from aistratus_operator.cloud.images import publish
from aistratus_operator.cloud.prune import OldImage, prune
from aistratus_operator.cloud.registry import open_registry
from aistratus_operator.cloud.shell import open_shell
from aistratus_operator.cloud.smoke import page
from aistratus_operator.cloud.smoke.run import smoke
from aistratus_operator.cloud.stack import open_stack, short
from aistratus_operator.cloud.terraform import Terraform
from aistratus_operator.cloud.users import invite
from aistratus_operator.errors import OperatorError
from aistratus_router.errors import RouterError


def run(chosen: argparse.Namespace) -> int:
    """Run a checked command; returns the exit code. Raises `OperatorError`."""
    try:
        return int(_COMMANDS[chosen.command](chosen))
    except ClientError as error:
        raise OperatorError(
            f"AWS refused {error.operation_name}: {said_by(error)} ({code_of(error)}). Get the "
            "right to it, then run the same command again."
        ) from error
    except BotoCoreError as error:
        gist = " ".join(str(error).split()).rstrip(".")
        raise OperatorError(
            f"A call to AWS failed: {gist}. Mend the cause, then run the same command again."
        ) from error


def _deploy(chosen: argparse.Namespace) -> int:
    outputs = deploy(chosen.env, chosen.region, Options(image_id=chosen.image_id))
    if chosen.json:
        _print_json(outputs)
        return 0
    sys.stderr.write(
        "Next:\n"
        f"  make user ENV={chosen.env} EMAIL=you@example.org   gives you a password, by mail\n"
        "  make app                                  the chat, at http://localhost:8571\n"
        f"Look on: {outputs['dashboard_url']}\n"
    )
    return 0


def _plan(chosen: argparse.Namespace) -> int:
    code = plan(chosen.env, chosen.region, Options(image_id=chosen.image_id, out=sys.stdout))
    return code if chosen.detailed_exitcode else 0


def _drift(chosen: argparse.Namespace) -> int:
    changed = drift(chosen.env, chosen.region, Options(image_id=chosen.image_id))
    if chosen.json:
        _print_json({"environment": chosen.env, "changed": changed})
    elif changed:
        listed = "".join(f"  {address}\n" for address in changed)
        sys.stdout.write(
            f"{chosen.env} is not what this checkout describes. See how with make plan "
            f"ENV={chosen.env}, and mend it with make deploy ENV={chosen.env}:\n{listed}"
        )
    else:
        sys.stdout.write(f"{chosen.env} is what this checkout describes.\n")
    return DIFFERS if changed else 0


def _destroy(chosen: argparse.Namespace) -> int:
    destroy(chosen.env, chosen.region, confirm=None if chosen.yes else input)
    return 0


def _outputs(chosen: argparse.Namespace) -> int:
    stack = open_stack(chosen.env, chosen.region)
    stack.check_deployed()
    stack.init()
    found = stack.outputs()
    if chosen.json:
        _print_json(found)
    else:
        width = max(map(len, found), default=0)
        sys.stdout.writelines(f"{name:{width}}  {value}\n" for name, value in found.items())
    return 0


def _user(chosen: argparse.Namespace) -> int:
    environment = load(chosen.env, chosen.region)
    account = sign_in(environment.region)
    sys.stdout.write(f"{invite(account, environment, chosen.email, again=chosen.again)}\n")
    return 0


def _fleet(chosen: argparse.Namespace) -> int:
    environment = load(chosen.env, chosen.region)
    fleet = fleet_of(sign_in(environment.region), environment)
    try:
        shown = {"start": fleet.start, "stop": fleet.stop, "fleet": fleet.show}[chosen.command]()
    except RouterError as error:
        raise OperatorError(str(error)) from error
    if chosen.json:
        _print_json(shown.model_dump(mode="json", exclude_none=True))
    else:
        sys.stdout.write(f"{told(environment.name, shown)}\n")
        if chosen.command == "stop":
            sys.stdout.write(
                f"It stays off until the next prompt, or make start ENV={environment.name}.\n"
            )
    return 0


def _doctor(chosen: argparse.Namespace) -> int:
    environment = load(chosen.env, chosen.region)
    findings = examine(Patient(environment, chosen.image_id))
    counts = {each: sum(found.verdict is each for found in findings) for each in Verdict}
    if chosen.json:
        listed = [asdict(found) for found in findings]
        _print_json(
            {"environment": environment.name, "region": environment.region, "findings": listed}
        )
    else:
        width = max(len(found.check) for found in findings)
        for found in findings:
            sys.stdout.write(f"{found.verdict:8}  {found.check:{width}}  {found.says}\n")
        told_counts = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        sys.stdout.write(f"{environment.name}: {told_counts}.\n")
    return 1 if counts[Verdict.PROBLEM] else 0


def _smoke(chosen: argparse.Namespace) -> int:
    report = smoke(
        chosen.env,
        chosen.region,
        Options(image_id=chosen.image_id),
        is_existing=chosen.existing,
        confirm=None if chosen.yes else input,
    )
    path = Path(chosen.report) if chosen.report else page.default_path(report)
    page.write(path, page.page(report))
    if chosen.json:
        _print_json({**asdict(report), "at": report.at.isoformat()})
    else:
        sys.stdout.writelines(
            f"{each.verdict:8}  {each.name:25}  {each.evidence}\n"
            for each in report.sightings.values()
        )
    sys.stderr.write(f"Written to {short(path)}.\n")
    if report.failure:
        sys.stderr.write(f"The run did not come to its end: {report.failure}\n")
    if report.left:
        sys.stderr.write(
            f"Left: {', '.join(report.left)}. Remove it with: make destroy ENV={chosen.env} "
            f"REGION={report.region}\n"
        )
    return 0 if report.is_good else 1


def _shell(chosen: argparse.Namespace) -> int:
    open_shell(load(chosen.env, chosen.region))


def _redrive(chosen: argparse.Namespace) -> int:
    environment = load(chosen.env, chosen.region)
    account = sign_in(environment.region)
    return redrive.run(chosen.request, open_registry(account, environment))


def _bootstrap(chosen: argparse.Namespace) -> int:
    outputs = bootstrap(sign_in(choose_region(chosen.region)), _project(), chosen.github_repository)
    if chosen.json:
        _print_json(outputs)
    elif outputs["github_repository"]:
        roles = {f"environment {env}": arn for env, arn in outputs["deploy_role_arns"].items()}
        sys.stdout.write(
            f"For {outputs['github_repository']}, in GitHub's settings:\n"
            f"  variable AWS_PLAN_ROLE_ARN of the repository: {outputs['plan_role_arn']}\n"
            f"  variable AWS_ROLE_ARN of the environment image: {outputs['image_role_arn']}\n"
        )
        sys.stdout.writelines(
            f"  variable AWS_ROLE_ARN of the {e}: {r}\n" for e, r in roles.items()
        )
        if "@" not in outputs["github_repository"]:
            sys.stdout.write(f"{_ASKS_FOR_IDS}\n")
    return 0


def _image(chosen: argparse.Namespace) -> int:
    bake(chosen.variant, chosen.region, chosen.packer)


def _publish_image(chosen: argparse.Namespace) -> int:
    account = sign_in(choose_region(chosen.region))
    image = publish(account, _project(), chosen.image_id)
    sys.stdout.write(f"Deployments in {account.region} take {image.id} from now on.\n")
    return 0


def _prune_images(chosen: argparse.Namespace) -> int:
    account = sign_in(choose_region(chosen.region))

    def confirm(old: list[OldImage]) -> bool:
        listed = "".join(f"  {image.id}  {image.name}\n" for image in old)
        sys.stderr.write(f"{listed}These images and their snapshots go from {account.region}. ")
        return bool(input(f"Type {chosen.variant} to go on: ").strip() == chosen.variant)

    images = prune(
        account,
        _project(),
        chosen.variant,
        chosen.keep,
        dry_run=chosen.dry_run,
        confirm=None if chosen.yes else confirm,
    )
    if chosen.json:
        _print_json({"dry_run": chosen.dry_run, "images": [asdict(image) for image in images]})
        return 0
    gone = "would go" if chosen.dry_run else "removed"
    for image in images:
        fate = f"kept: {image.kept_for}" if image.kept_for else gone
        sys.stdout.write(f"{image.id}  {image.created[:10]}  {image.name}  {fate}\n")
    count = sum(not image.kept_for for image in images)
    sys.stdout.write(f"{count} of {len(images)} images of {chosen.variant} {gone}.\n")
    return 0


def _unlock(chosen: argparse.Namespace) -> int:
    is_bootstrap = chosen.env == BOOTSTRAP
    account = sign_in(
        choose_region(chosen.region) if is_bootstrap else load(chosen.env, chosen.region).region
    )
    bucket = state.bucket_name(account, _project())
    lock = (
        state.find_lock(account, bucket, state.key_of(chosen.env))
        if state.has_bucket(account, bucket)
        else None
    )
    if lock is None:
        sys.stdout.write(f"The state of {chosen.env} in {account.region} is not locked.\n")
        return 0
    if lock.id != chosen.lock:
        raise OperatorError(
            f"{lock.who} holds {chosen.env} since {lock.created} UTC, with the lock {lock.id}. If "
            f"that run is certainly dead, unlock with: make unlock ENV={chosen.env} "
            f"REGION={account.region} LOCK={lock.id}"
        )
    folder = TERRAFORM / BOOTSTRAP if is_bootstrap else TERRAFORM
    terraform = Terraform(folder, state.data_folder(bucket, chosen.env))
    terraform.init("-reconfigure", *state.backend(account, bucket, state.key_of(chosen.env)))
    terraform.run("force-unlock", "-force", lock.id)
    sys.stdout.write(f"The state of {chosen.env} is unlocked.\n")
    return 0


_ASKS_FOR_IDS: Final = (
    "A repository that was made after 15 July 2026 has ids in its tokens, and AWS will refuse them "
    "with these roles. Then name it with its ids; docs/ci.md says how to read them."
)

_COMMANDS: Final = {
    "deploy": _deploy,
    "plan": _plan,
    "drift": _drift,
    "destroy": _destroy,
    "outputs": _outputs,
    "user": _user,
    "fleet": _fleet,
    "doctor": _doctor,
    "smoke": _smoke,
    "start": _fleet,
    "stop": _fleet,
    "shell": _shell,
    "redrive": _redrive,
    "bootstrap": _bootstrap,
    "image": _image,
    "publish-image": _publish_image,
    "prune-images": _prune_images,
    "unlock": _unlock,
}


def _project() -> str:
    return str(read_defaults(TERRAFORM / "variables.tf")["project"])


def _print_json(value: Any) -> None:
    json.dump(value, sys.stdout, indent=2)
    sys.stdout.write("\n")
