"""A whole environment, made by Terraform in the emulator."""

import json
import time
import zipfile
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from aistratus_contracts.models import ModelCard
from aistratus_local import provision
from aistratus_operator.cloud.terraform import Terraform
from support.emulator_process import aws_environment, client
from support.terraform_folders import copied

ENV: Final = "dev"

# The state lies beside the configuration; other tests put it in S3.
_LOCAL_STATE: Final = 'terraform {\n  backend "local" {}\n}\n'


@dataclass
class Deployment:
    """`terraform apply` and `destroy` of one environment, and AWS in between."""

    emulator_url: str
    folder: Path
    model: ModelCard
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        copied(self._root)
        (self._root / "backend_override.tf").write_text(_LOCAL_STATE)
        # Other tests check the package's content and that it runs; here nobody unpacks it.
        with zipfile.ZipFile(self.folder / "router.zip", "w") as package:
            package.writestr("README", "A stand-in for the router's package.\n")
        variables = {
            "image_id": self.aws("ec2").describe_images()["Images"][0]["ImageId"],
            "models": [asdict(self.model)],
            "region": provision.REGION,
            "router_zip": str(self.folder / "router.zip"),
        }
        (self._root / "terraform.tfvars.json").write_text(json.dumps(variables))
        self._terraform.run("init")

    def aws(self, service: str) -> Any:
        """A client with all rights, past every gate."""
        return client(service, self.emulator_url)

    def apply(self, name: str = "apply") -> None:
        """Make everything."""
        self._timed(name, "apply")

    def destroy(self, name: str = "destroy") -> None:
        """Take everything away."""
        self._timed(name, "destroy")

    def outputs(self) -> dict[str, Any]:
        """What the composition hands out."""
        found = self._terraform.json("output", "-json")
        return {name: output["value"] for name, output in found.items()}

    def resource_types(self) -> set[str]:
        """The types of the resources that Terraform has made."""
        shown = self._terraform.json("show", "-json")
        todo, found = [shown.get("values", {}).get("root_module", {})], set()
        while todo:
            module = todo.pop()
            todo += module.get("child_modules", [])
            resources = module.get("resources", [])
            found |= {each["type"] for each in resources if each["mode"] == "managed"}
        return found

    @cached_property
    def _terraform(self) -> Terraform:
        return Terraform(self._root, environment=aws_environment(self.emulator_url))

    @property
    def _root(self) -> Path:
        return self.folder / "terraform"

    def _timed(self, name: str, command: str) -> None:
        began = time.monotonic()
        file = f"-var-file=envs/{ENV}.tfvars"
        self._terraform.run(command, "-auto-approve", file, "-parallelism=20")
        self.seconds[name] = time.monotonic() - began
