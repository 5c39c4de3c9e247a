"""What tests build an image with: a stand-in cloud, a throw-away machine, wheels, weights."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from aistratus_local.choices import STANDIN
from aistratus_local.console import Console
from aistratus_local.models import local_model
from housekeeping import ROOT
from machine import boot, ssh
from support.emulator_process import running_emulator_process
from support.packer import packer, var_file

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

REGION = "eu-central-1"

# A build takes two minutes, and the machine may have more to do.
BUILD_SECONDS = 900

BASE: dict[str, Any] = {
    "ami_id": "ami-0debian12amd64000",
    "name": "debian-12-amd64-20260101-0000",
    "owner_id": "136693071363",
    "public": True,
    "architecture": "x86_64",
    "virtualization_type": "hvm",
    "hypervisor": "xen",
    "root_device_name": "/dev/xvda",
    "root_device_type": "ebs",
    "state": "available",
    "image_type": "machine",
    "image_location": "amazon/debian-12",
    "description": "Stands for Debian's image",
    "creation_date": "2026-01-01T00:00:00.000Z",
    "platform": None,
    "sriov": "simple",
}
"""What the emulator's EC2 offers as a base: Debian's image, by Debian's name and account."""


@dataclass(frozen=True)
class Build:
    """One `packer build` and its results."""

    done: subprocess.CompletedProcess[str]
    folder: Path

    @property
    def said(self) -> str:
        return self.done.stdout + self.done.stderr

    @property
    def manifest(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.folder / "manifest.json").read_text("utf-8"))
        return loaded


@dataclass(frozen=True)
class Foundry:
    """Builds images of a machine in the emulator's cloud."""

    address: str
    wheelhouse: Path
    agent: Path
    ec2: "EC2Client"

    def build(self, name: str, folder: Path, **variables: str) -> Build:
        folder.mkdir()
        model = local_model(STANDIN, Console())
        facts = {
            "id": model.card.id,
            "file": model.path.name,
            "bytes": str(model.path.stat().st_size),
            "sha256": model.sha256,
        }
        with boot.running(name) as machine:
            public = ssh.key(machine).with_suffix(".pub").read_bytes()
            self.ec2.import_key_pair(KeyName=name, PublicKeyMaterial=public)
            given = {
                "region": REGION,
                "ec2_endpoint": self.address,
                "ssh_username": "root",
                "ssh_host": machine.address,
                "ssh_keypair_name": name,
                "ssh_private_key_file": str(ssh.key(machine)),
                "weights_volume": "false",
                "wheelhouse": str(self.wheelhouse),
                "model_file": str(model.path),
                "model_facts": json.dumps(facts),
                "extra_variables": json.dumps({"cloudwatch_agent_package": str(self.agent)}),
                "report_folder": str(folder),
                "git_revision": "0123456789abcdef",
                **variables,
            }
            done = packer(
                "build",
                "-color=false",
                var_file("cpu"),
                *(f"-var={key}={value}" for key, value in given.items()),
                "packer/worker",
                seconds=BUILD_SECONDS,
            )
        return Build(done, folder)

    def images(self) -> set[str]:
        """The names of the images that are registered."""
        found = self.ec2.describe_images(Owners=["self"])["Images"]
        return {image["Name"] for image in found}


@contextmanager
def running_foundry(place: Path) -> Iterator[Foundry]:
    """A cloud, wheels and what stands for Amazon's agent, for the length of a block."""
    wheelhouse, agent, bases = place / "wheelhouse", place / "agent.deb", place / "bases.json"
    subprocess.run(
        [sys.executable, "-m", "wheelhouse", wheelhouse],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tools")},
        check=True,
    )
    subprocess.run([ROOT / "roles/cloudwatch/molecule/stand_in_agent.sh", agent], check=True)
    bases.write_text(json.dumps([BASE]), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOTO_AMIS_PATH", str(bases))
        with running_emulator_process() as address:
            ec2: EC2Client = boto3.client(
                "ec2",
                region_name=REGION,
                endpoint_url=address,
                aws_access_key_id="testing",
                aws_secret_access_key="testing",
            )
            yield Foundry(address, wheelhouse, agent, ec2)
