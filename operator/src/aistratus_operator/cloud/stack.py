"""One environment's Terraform: the root configuration, its state, and its variables."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from aistratus_operator import ROOT
from aistratus_operator.cloud import state
from aistratus_operator.cloud.aws import Account, sign_in
from aistratus_operator.cloud.concurrency import available_concurrency
from aistratus_operator.cloud.environments import TERRAFORM, Environment, load
from aistratus_operator.cloud.images import Image
from aistratus_operator.cloud.terraform import Finished, Terraform, TerraformFailed, find
from aistratus_operator.errors import OperatorError

Watch = Callable[[str], None]


@dataclass(frozen=True)
class Stack:
    """An environment in an account. `variables` override those of its file."""

    environment: Environment
    account: Account
    folder: Path = TERRAFORM
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def bucket(self) -> str:
        """The bucket of its state."""
        return state.bucket_name(self.account, self.environment.project)

    @property
    def data(self) -> Path:
        """The folder for Terraform's downloads and the logs."""
        return state.data_folder(self.bucket, self.environment.name)

    @property
    def terraform(self) -> Terraform:
        """Terraform in its root module."""
        return Terraform(self.folder, self.data)

    @cached_property
    def concurrency(self) -> int | None:
        """How many functions it may run at once; None if that cannot be read."""
        return available_concurrency(self.account, self.environment)

    def is_deployed(self) -> bool:
        """Whether any part of it exists, even if only half of it was made."""
        if not state.has_bucket(self.account, self.bucket):
            return False
        key = state.key_of(self.environment.name)
        known = state.read_json(self.account, self.bucket, key)
        return bool((known or {}).get("resources"))

    def check_deployed(self) -> None:
        """Raises an `OperatorError` if no part of it exists."""
        if not self.is_deployed():
            name, region = self.environment.name, self.account.region
            raise OperatorError(
                f"{name} is not deployed in {region}: nothing of it is there. Deploy it with "
                f"make deploy ENV={name} REGION={region}, or name the REGION that it is in."
            )

    def check_unlocked(self) -> None:
        """Raises an `OperatorError` if another run holds its state's lock."""
        state.check_unlocked(self.account, self.bucket, self.environment.name)

    def init(self, watch: Watch | None = None) -> None:
        """Fetch what Terraform needs and select this environment's state."""
        self.terraform.init(
            "-reconfigure",
            *state.backend(self.account, self.bucket, state.key_of(self.environment.name)),
            watch=watch,
        )

    def run(
        self,
        command: str,
        *options: str,
        image: Image,
        router_zip: Path,
        watch: Watch | None = None,
        accept: tuple[int, ...] = (0,),
    ) -> Finished:
        """Run `terraform plan`, `apply` or `destroy` with all variables."""
        try:
            return self.terraform.run(
                command,
                *options,
                *self._variables(image, router_zip),
                watch=watch,
                accept=accept,
            )
        except TerraformFailed as error:
            if "Error acquiring the state lock" in error.output:
                self.check_unlocked()
            raise

    def adopt(self, address: str, known_as: str, *, image: Image, router_zip: Path) -> None:
        """Import a resource that already exists into the state."""
        self.terraform.run("import", *self._variables(image, router_zip), address, known_as)

    def _variables(self, image: Image, router_zip: Path) -> list[str]:
        variables = {
            "region": self.account.region,
            "image_id": image.id,
            "weights_device": image.weights_device,
            "router_zip": str(router_zip),
            **({} if self.concurrency is None else {"available_concurrency": self.concurrency}),
            **self.variables,
        }
        file = self.environment.variables_file.resolve()
        return [f"-var-file={file}", *(f"-var={key}={value}" for key, value in variables.items())]

    def outputs(self) -> dict[str, Any]:
        """Terraform's outputs; call `init` first."""
        found = self.terraform.json("output", "-json")
        return {name: output["value"] for name, output in found.items()}


def open_stack(
    name: str,
    region: str = "",
    *,
    folder: Path = TERRAFORM,
    variables: Mapping[str, str] | None = None,
) -> Stack:
    """The stack of that name, with the credentials from the process's environment.

    Raises an `OperatorError` if name, region or credentials are wrong or Terraform is missing.
    """
    environment = load(name, region, folder)
    find()
    return Stack(environment, sign_in(environment.region), folder, variables or {})


def short(path: Path) -> str:
    """The path, relative to the repository if it is inside."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
