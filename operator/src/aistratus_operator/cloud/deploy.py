"""Deploys with one command: checks, then the state, then everything.

    deploy("dev")

Nothing is created before all checks have passed. The next run finishes an interrupted one.
"""

import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from aistratus_operator import ROOT
from aistratus_operator.cloud.adopt import orphans
from aistratus_operator.cloud.bootstrap import bootstrap, is_complete
from aistratus_operator.cloud.capacity import check_offerings, check_quotas
from aistratus_operator.cloud.concurrency import concurrency_warning
from aistratus_operator.cloud.environments import TERRAFORM
from aistratus_operator.cloud.fit import check_fit
from aistratus_operator.cloud.images import Image, choose
from aistratus_operator.cloud.progress import Progress, tell
from aistratus_operator.cloud.public_file import PUBLIC_FILE, write
from aistratus_operator.cloud.stack import Stack, open_stack, short
from aistratus_operator.cloud.state import has_bucket
from aistratus_operator.cloud.terraform import TerraformFailed
from aistratus_operator.errors import OperatorError

ROUTER_ZIP: Final = ROOT / "dist" / "router.zip"
# In a plan: `# module.x.y will be updated in-place`, `# … must be replaced`. Reads do not count.
_CHANGED: Final = re.compile(r"^  # (.+) (?:will|must) be (?!read)")
# The output of a plan while it reads existing resources: a line or two for each.
_LOOKING: Final = re.compile(
    r"^[\w.\[\]\" /-]+: (Refreshing state|Reading|Still reading|Read complete)"
)
DIFFERS: Final = 2
"""The exit code of `plan` and `drift` for: there is something to change. It is Terraform's."""


@dataclass(frozen=True, slots=True)
class Options:
    """A command's options, apart from the environment's name and region.

    An empty `image_id` is looked up; `router_zip` is built if it is None.
    """

    image_id: str = ""
    router_zip: Path | None = None
    folder: Path = TERRAFORM
    env_file: Path = PUBLIC_FILE
    out: TextIO = sys.stderr


def deploy(
    name: str,
    region: str = "",
    options: Options | None = None,
    variables: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Create the environment or bring it up to date; returns Terraform's outputs."""
    options = options or Options()
    stack = open_stack(name, region, folder=options.folder, variables=variables)
    image = check(stack, options)
    router_zip = options.router_zip or build_router(options.out)
    if not is_complete(stack.account, stack.environment.project):
        bootstrap(stack.account, stack.environment.project, folder=options.folder, out=options.out)
    with Progress(stack.data / "apply.log", options.out) as progress:
        progress.say(
            f"Deploying {name} to account {stack.account.id}, {stack.account.region}, with "
            f"{image.id} from {image.found_in} …"
        )
        try:
            stack.init(progress)
            _apply(stack, image, router_zip, progress)
        except TerraformFailed as error:
            raise OperatorError(
                f"{error}\nWhat is made stays. Mend the cause and run the same command again: it "
                f"goes on from there. All that Terraform said is in {short(progress.log)}."
            ) from error
        outputs = stack.outputs()
        write(options.env_file, name, outputs)
        progress.say(f"{name} is up, in {progress.took}: {outputs['api_url']}")
    return outputs


def plan(name: str, region: str = "", options: Options | None = None) -> int:
    """Show what deploying would change; returns 0 for nothing, else `DIFFERS`.

    The state is not locked: a plan changes nothing, and its credentials need no right to lock.
    """
    options = options or Options()
    stack = open_stack(name, region, folder=options.folder)

    def show(line: str) -> None:
        if not is_looking(line):
            tell(options.out, line)

    return _plan(stack, options, show)


def drift(name: str, region: str = "", options: Options | None = None) -> list[str]:
    """The addresses of resources that differ from the configuration; prints nothing."""
    options = options or Options()
    stack = open_stack(name, region, folder=options.folder)
    stack.check_deployed()
    changed: list[str] = []

    def note(line: str) -> None:
        if match := _CHANGED.match(line):
            changed.append(match[1])

    _plan(stack, options, note)
    return changed


def is_looking(line: str) -> bool:
    """Whether the line only says that Terraform is reading something."""
    return _LOOKING.match(line) is not None


def check(stack: Stack, options: Options) -> Image:
    """Check everything that can be checked beforehand; returns the image to deploy."""
    environment, account = stack.environment, stack.account
    offered = check_offerings(account, environment)
    warnings = check_quotas(account, environment)
    if warning := concurrency_warning(stack.concurrency, account.region):
        warnings.append(warning)
    image = choose(account, environment.project, options.image_id)
    warnings += check_fit(account, environment, offered, image)
    if has_bucket(account, stack.bucket):
        stack.check_unlocked()
    if missing := [kind for kind in environment.instance_types if kind not in offered]:
        warnings.append(
            f"{account.region} has no {', '.join(missing)}: it will be {', '.join(offered)}."
        )
    for warning in warnings:
        tell(options.out, f"Note: {warning}")
    return image


def build_router(out: TextIO) -> Path:
    """Rebuild the Lambda package; the same sources give the same bytes."""
    tell(out, "Packing the router …")
    done = subprocess.run(
        [sys.executable, str(ROOT / "router" / "build_zip.py"), str(ROUTER_ZIP)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise OperatorError(f"The router cannot be packed: {last} Try it alone: make router.zip")
    return ROUTER_ZIP


def _apply(stack: Stack, image: Image, router_zip: Path, progress: Progress) -> None:
    """Apply; import resources that a killed run has left without recording them in the state.

    The loop ends because each round imports at least one such resource.
    """
    while True:
        try:
            stack.run("apply", "-auto-approve", image=image, router_zip=router_zip, watch=progress)
        except TerraformFailed as error:
            left = orphans(stack, error.output)
            if not left:
                raise
            for address, known_as in left.items():
                progress.say(f"Left by a run that broke off, and taken in: {known_as}")
                stack.adopt(address, known_as, image=image, router_zip=router_zip)
        else:
            return


def _plan(stack: Stack, options: Options, watch: Any) -> int:
    image = choose(stack.account, stack.environment.project, options.image_id)
    if not is_complete(stack.account, stack.environment.project):
        raise OperatorError(
            f"There is no state bucket in {stack.account.region} yet, so all would be new. Make "
            f"it with make bootstrap REGION={stack.account.region}, or deploy: it comes with that."
        )
    router_zip = options.router_zip or build_router(options.out)
    stack.init()
    finished = stack.run(
        "plan",
        "-lock=false",
        "-detailed-exitcode",
        image=image,
        router_zip=router_zip,
        watch=watch,
        accept=(0, DIFFERS),
    )
    return finished.code
